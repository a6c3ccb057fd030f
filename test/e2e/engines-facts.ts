/** All facts of a plant, as its store has them and as its stream got them. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../core/kernel/clock.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { readFacts } from '../../services/adapters/bus/nats/fact-reader.ts'
import { openMongoStore } from '../../services/adapters/store/mongo/mongo-store.ts'
import { readFactsOf } from './engines-audit.ts'
import type { Plant } from './engines-plant.ts'
import type { Stage } from './scenario.ts'

/** Of the store and of the stream, when the stream has had time to get the last. */
export async function everyFact({ clock, signal }: Stage, plant: Plant) {
  const options = { url: plant.mongo.url, database: plant.database, clock, log: silentLog(), holder: 'audit' }
  const { store } = await openMongoStore(options)
  try {
    const facts = await readFactsOf(store)
    const last = facts.at(-1)?.seq ?? 0
    const isPublished = async (): Promise<boolean> => Number((await store.note('facts:published')) ?? 0) >= last
    await until(clock, isPublished, { withinMs: 30_000, everyMs: 200 })
    const streamed = new Set<number>()
    const reading = readFacts({
      servers: [plant.nats.url],
      installation: readFileSync(join(plant.dataDir, 'installation'), 'utf8').trim(),
      clock,
      random: systemRandom(),
      log: silentLog(),
      from: 'beginning',
      follow: false,
      signal,
    })
    for await (const { fact } of reading) streamed.add(fact.seq)
    return { facts, streamed }
  } finally {
    await store.close()
  }
}
