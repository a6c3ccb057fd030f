/** All attacks, in the order in which they are tried; and the control, which must reach what it looks for. */

import type { Attack } from '../attack.ts'
import { shell } from '../scripts.ts'
import { diskAttacks } from './disk.ts'
import { environmentAttacks } from './environment.ts'
import { escapeAttacks } from './escape.ts'
import { fileAttacks } from './files.ts'
import { outliveAttacks } from './outlive.ts'
import { processAttacks } from './processes.ts'
import { removalAttacks } from './removal.ts'
import { reuseAttacks, setUidAttack } from './reuse.ts'
import { startAttacks } from './start.ts'

export const everyAttack: readonly Attack[] = [
  ...environmentAttacks,
  ...startAttacks,
  ...processAttacks,
  ...fileAttacks,
  ...diskAttacks,
  ...escapeAttacks,
  ...outliveAttacks,
  ...removalAttacks,
  ...reuseAttacks,
  setUidAttack,
]

/** Reads its own environment, and speaks by both ways: a suite that misses this sees nothing at all. */
export const control: Attack = {
  name: 'control',
  about: 'reads its own environment, prints it and sends it',
  reaches: 'its own canary, which it must',
  payload: (scene) => shell(scene, 'loot /proc/self/environ; say "sent: $OWN_CANARY"; who'),
}
