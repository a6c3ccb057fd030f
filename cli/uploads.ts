/** The local files of jobs on their way to the service, with their progress on standard error. */

import type { InputPutter } from '../client/local-inputs.ts'
import type { NewJob } from '../client/new-job.ts'
import type { PilotageClient } from '../client/pilotage-client.ts'
import { type Progress, startProgress } from './output/progress.ts'
import type { Setting } from './setting.ts'

/** Jobs with their local files put; `directories[at]` is that of the document of `jobs[at]`. */
export async function withFiles(
  setting: Setting,
  client: PilotageClient,
  jobs: readonly NewJob[],
  directories: readonly string[],
): Promise<readonly NewJob[]> {
  if (jobs.every(({ localInputs }) => localInputs === undefined)) return jobs
  const uploading = await uploads(setting, client)
  try {
    const made: NewJob[] = [...jobs]
    for (const directory of new Set(directories)) {
      // Jobs of other directories stay without their files: the places of jobs in messages do not move.
      const own = jobs.map((job, at) => (directories[at] === directory ? job : { ...job, localInputs: undefined }))
      const put = await uploading.put(own, directory)
      for (const [at, job] of put.entries()) if (directories[at] === directory) made[at] = job
    }
    return made
  } finally {
    uploading.end()
  }
}

export type Uploading = InputPutter & {
  /** Takes the progress away. */
  end(): void
}

export async function uploads({ terminal, clock }: Setting, client: PilotageClient): Promise<Uploading> {
  const { inputPutter } = await import('../client/local-inputs.ts')
  let progress: Progress | undefined
  let known = 0
  const putter = inputPutter(client, (sent, total) => {
    if (total !== known) progress = startProgress(terminal, clock, { doing: 'sending files', total, unit: 'bytes' })
    known = total
    progress?.reached(sent)
  })
  return { put: putter.put, end: () => progress?.end() }
}
