/** The platform of this process, as npm names it when it chooses packages. */

import type { Platform } from './lock.ts'

export function thisPlatform(): Platform {
  const { header } = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } }
  return {
    os: process.platform,
    cpu: process.arch,
    libc: header.glibcVersionRuntime === undefined ? 'musl' : 'glibc',
  }
}
