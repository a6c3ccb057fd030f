/** Every scenario that there is. Each is a step of `.ci/run`, which test/ci holds. */

import { engines } from './engines.ts'
import { hints } from './hints.ts'
import { kill } from './kill.ts'
import { latency } from './latency.ts'
import { move } from './move.ts'
import { openstack } from './openstack.ts'
import { peek } from './peek.ts'
import { sandbox } from './sandbox.ts'
import type { Scenario } from './scenario.ts'
import { ssh } from './ssh.ts'
import { strangers } from './strangers/main.ts'
import { user } from './user/main.ts'
import { vm } from './vm.ts'
import { wrongInput } from './wrong-input.ts'

export const scenarios: readonly Scenario[] = [
  kill,
  latency,
  wrongInput,
  engines,
  hints,
  move,
  vm,
  openstack,
  ssh,
  strangers,
  peek,
  sandbox,
  user,
]
