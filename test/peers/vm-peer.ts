/**
 * The virtual machine of the tests: an image that test/peers/install has built, and what boots it by QEMU. Found and not
 * started: each test boots its own.
 */

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Peer } from './peer.ts'

/** Beside the repository, as in the project's own workshops. */
const bootPath = resolve(import.meta.dirname, '../../../shared/peers/vm/boot')

export function findVm(cache: string): Peer {
  const image = join(cache, 'vm/disk.qcow2')
  const isThere = existsSync(image) && existsSync(bootPath)
  const soughtIn = `${image}, ${bootPath}`
  return { name: 'vm', places: isThere ? [{ kind: 'program', program: image, version: 'Debian' }] : [], soughtIn }
}
