/**
 * OpenNebula for a test: recorded answers of a real one, replayed by a server that refuses what the real one refused. The
 * recordings are no part of the repository; where they are, PILOTAGE_OPENNEBULA_RECORDINGS says, or else they lie beside it.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Environment, Peer, Place } from './peer.ts'

const variable = 'PILOTAGE_OPENNEBULA_RECORDINGS'
const beside = join(import.meta.dirname, '../../../shared/peers/opennebula/recordings')

export function findOpenNebula(env: Environment): Peer {
  const named = env[variable]
  if (named && !areThere(named)) throw new Error(`${variable}: ${named} holds no recordings`)
  const folder = named || beside
  const place: Place = { kind: 'program', program: folder, version: 'recorded 6.10' }
  return { name: 'opennebula', places: areThere(folder) ? [place] : [], soughtIn: `${variable}, ${beside}` }
}

/** The folder with the recordings. */
export function recordingsAt(place: Place): string {
  if (place.kind === 'url') throw new Error('recordings have no address')
  return place.program
}

function areThere(folder: string): boolean {
  return existsSync(join(folder, 'index.json'))
}
