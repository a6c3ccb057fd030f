/**
 * The rooms of the code for which a score is kept, and what each has to reach.
 *
 * Every source file belongs to one room. The target is 90 % in each. `floor` is what was reached when it was last measured,
 * less its error: it only rises, and the gate of a change judges by it until the room has reached the target.
 */

import { globSync } from 'node:fs'

export type Room = {
  readonly name: string
  /** Beginnings of paths. The first room that matches has the file. */
  readonly places: readonly string[]
  readonly floor: number
  /** Computes without acting on processes and files, so its mutants do no harm to a machine that cannot confine them. */
  readonly isHarmless?: true
}

export const target = 90

export const rooms: readonly Room[] = [
  { name: 'core', places: ['core/'], floor: 51, isHarmless: true },
  {
    name: 'use-cases',
    places: [
      'services/jobs/',
      'services/vms/',
      'services/images/',
      'services/access/',
      'services/accounting/',
      'services/outcomes/',
      'services/views/',
      'services/coordination/',
      'services/sandboxes/',
    ],
    floor: 62,
    isHarmless: true,
  },
  { name: 'archive-context', places: ['services/archive/', 'services/context/'], floor: 0 },
  { name: 'matcher', places: ['services/matcher/'], floor: 76, isHarmless: true },
  { name: 'director', places: ['services/director/'], floor: 0, isHarmless: true },
  { name: 'store-sqlite', places: ['services/adapters/store/kit/', 'services/adapters/store/sqlite/'], floor: 0 },
  { name: 'store-mongo', places: ['services/adapters/store/mongo/'], floor: 0 },
  { name: 'cloud-kit', places: ['services/adapters/cloud/kit/'], floor: 0 },
  { name: 'cloud-local', places: ['services/adapters/cloud/local/'], floor: 0 },
  { name: 'cloud-openstack', places: ['services/adapters/cloud/openstack/'], floor: 0 },
  { name: 'cloud-opennebula', places: ['services/adapters/cloud/opennebula/'], floor: 0 },
  { name: 'cloud-ec2', places: ['services/adapters/cloud/ec2/'], floor: 0 },
  { name: 'cloud-ssh', places: ['services/adapters/cloud/ssh/'], floor: 0 },
  { name: 'adapters', places: ['services/adapters/'], floor: 0 },
  { name: 'agents', places: ['agents/'], floor: 0 },
  { name: 'contextualization', places: ['contextualization/'], floor: 0 },
  { name: 'api', places: ['services/api/'], floor: 0 },
  { name: 'dashboard', places: ['services/dashboard/'], floor: 0 },
  { name: 'config', places: ['services/config/'], floor: 0 },
  { name: 'run', places: ['services/run/'], floor: 0 },
  { name: 'codec', places: ['proto/codec/'], floor: 0, isHarmless: true },
  { name: 'client', places: ['client/'], floor: 0 },
  { name: 'cli', places: ['cli/'], floor: 0 },
]

/** All source files that belong to a room. */
export function sourceFiles(root: string): readonly string[] {
  return globSync('{core,services,agents,contextualization,proto/codec,client,cli}/**/*.ts', { cwd: root }).toSorted()
}

export function roomOf(file: string): Room | undefined {
  return rooms.find(({ places }) => places.some((place) => file.startsWith(place)))
}
