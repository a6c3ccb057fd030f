/**
 * A process that keeps an output and stops in the middle: it says `waiting` when this number of bytes was given, and waits
 * to be killed. Ends by itself when the process that started it is gone.
 *
 *   node half-keeping.ts URL DATABASE JOB BYTES
 */

import { MongoClient } from 'mongodb'
import type { JobId } from '../../core/kernel/ids.ts'
import { gridSandbox } from '../../services/adapters/store/mongo/grid-sandbox.ts'

const [url = '', database = '', job = '', bytes = ''] = process.argv.slice(2)
const client = new MongoClient(url)

async function* half(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(Number(bytes), 'h')
  process.stdout.write('waiting\n')
  for await (const _ of process.stdin);
  throw new Error('no process waits for this any more')
}

await gridSandbox(client.db(database))
  .keep({ jobId: Number(job) as JobId, attempt: 1 }, 'stdout', half())
  .finally(() => client.close())
