/**
 * Destroy: asks the cloud for the end of a machine, again in every step until it says that there is none.
 *
 * The record does not end here but by the next list that does not show the machine. The console of a machine that never came
 * up is kept first: it is the only hint at what is wrong with its image. A call that outlives the role lease of the cloud
 * does no harm: the machine must still be destroyed.
 */

import { asPilotageError } from '../../core/kernel/errors.ts'
import { newFact } from '../../core/model/fact-shapes.ts'
import { refOf, type Vm } from '../../core/model/vm.ts'
import type { CloudHand } from './create.ts'
import type { Orphan } from './orphans.ts'
import { isDue, noteTry } from './stuck.ts'

const consoleKeptCharacters = 4096

/** For a VM that is Stopping and whose reference is known. */
export async function destroyVm(hand: CloudHand, vm: Vm): Promise<void> {
  const { memory } = hand
  const { phase } = vm
  if (phase.state === 'Stopping' && phase.activeMs === undefined && !memory.consoles.has(vm.id)) await keepConsole(hand, vm)
  const answer = await destroyMachine(hand, { ref: refOf(phase), vmId: vm.id })
  if (answer === 'gone') memory.gone.add(vm.id)
}

/** For a machine that no live record stands for. */
export async function destroyOrphan(hand: CloudHand, { ref, vmId, why }: Orphan): Promise<void> {
  const { options, directed, memory } = hand
  const answer = await destroyMachine(hand, { ref, vmId })
  if (answer === 'failed' || memory.reportedOrphans.has(ref)) return
  memory.reportedOrphans.add(ref)
  options.log.warn({ cloud: directed.cloud.name, vm: vmId, ref, why }, 'orphan destroyed')
  const data = { vm: vmId, ref, why }
  await options.store.emit(
    [newFact('orphan', `cloud:${directed.cloud.name}`, 'orphan destroyed', data)],
    options.clock.nowMs(),
  )
}

async function destroyMachine(
  hand: CloudHand,
  { ref, vmId }: Pick<Orphan, 'ref' | 'vmId'>,
): Promise<'gone' | 'going' | 'failed'> {
  const { options, directed, memory, isHeld } = hand
  if (!isHeld() || !isDue(memory, ref, options.clock)) return 'failed'
  let answer: 'gone' | 'going' | 'failed' = 'gone'
  let why = ''
  try {
    answer = await directed.cloud.destroy(ref)
  } catch (thrown) {
    const { code, message } = asPilotageError(thrown, `destroying ${vmId}`)
    if (code !== 'cloud-gone') {
      options.log.warn({ cloud: directed.cloud.name, vm: vmId, ref, code, message }, 'a VM could not be destroyed')
      answer = 'failed'
      why = message
    }
  }
  if (answer === 'gone') memory.endings.delete(ref)
  else await noteTry(hand, { ref, vmId }, why)
  return answer
}

/** The console may show the activation key; it is of no use any more, since a VM that stops cannot be activated. */
async function keepConsole({ options, directed, memory }: CloudHand, { id, phase }: Vm): Promise<void> {
  const { store, clock, log } = options
  memory.consoles.add(id)
  let text: string
  try {
    text = await directed.cloud.consoleLog(refOf(phase))
  } catch (thrown) {
    log.debug({ vm: id, message: asPilotageError(thrown, 'reading a console').message }, 'no console log')
    return
  }
  const end = printable(text).slice(-consoleKeptCharacters)
  if (end !== '') await store.emit([newFact('console', `vm:${id}`, 'console', { text: end })], clock.nowMs())
}

/** What a machine writes is shown to operators: no control characters but line ends and tabs. */
function printable(text: string): string {
  return [...text].filter((letter) => letter >= ' ' || letter === '\n' || letter === '\t').join('')
}
