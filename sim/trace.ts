/** What happened, line by line, with the job and the VM that each line is about. A failing seed prints it. */

import type { Timeline } from './timeline.ts'

export type About = { readonly jobId?: number; readonly vmId?: string }

export type Trace = {
  note(about: About, text: string): void
  /** The last lines about a job or VM; about neither: the last of all. */
  story(about: About, count: number): readonly string[]
  /** A digest of everything that was noted: two runs of one seed have the same. */
  digest(): string
}

type Line = { readonly atMs: number; readonly about: About; readonly text: string }

export function openTrace(timeline: Timeline): Trace {
  const lines: Line[] = []
  let hash = 0x811c9dc5

  return {
    note(about, text) {
      const atMs = timeline.nowMs()
      lines.push({ atMs, about, text })
      const whole = `${atMs} ${text}`
      for (let at = 0; at < whole.length; at += 1) hash = Math.imul(hash ^ whole.charCodeAt(at), 0x01000193)
    },
    story({ jobId, vmId }, count) {
      const isOf = ({ about }: Line): boolean =>
        (jobId === undefined && vmId === undefined) ||
        (jobId !== undefined && about.jobId === jobId) ||
        (vmId !== undefined && about.vmId === vmId && (about.jobId === undefined || jobId === undefined))
      const found: Line[] = []
      for (let at = lines.length - 1; at >= 0 && found.length < count; at -= 1) {
        const line = lines[at]
        if (line && isOf(line)) found.push(line)
      }
      return found.reverse().map(lineText)
    },
    digest: () => (hash >>> 0).toString(16).padStart(8, '0'),
  }
}

function lineText({ atMs, about, text }: Line): string {
  const who = [about.jobId !== undefined && `job ${about.jobId}`, about.vmId].filter(Boolean).join(' ')
  return `${(atMs / 1000).toFixed(3).padStart(10)} s  ${who.padEnd(22)} ${text}`
}
