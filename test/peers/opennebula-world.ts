/**
 * The VMs of an OpenNebula that stands in for the recorded one: which there are, in which state each is by now, and its
 * body.
 *
 * States follow each other as they were seen along recorded lives; a body is the recorded one of that state, with the id,
 * the name, the marks, the sizes, the context and the time of this VM in it.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { documentIn, known, type Recordings, withElement } from './opennebula-recordings.ts'

/**
 * How a VM's life goes: up, off by itself, never up for want of a host, failed at its start, lost once it ran, or left in a
 * state in which nothing can end it, by a daemon that was killed.
 */
export type Life = 'up' | 'off' | 'waits' | 'fails' | 'lost' | 'stuck'

export type WorldVm = {
  readonly id: number
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly context: ReadonlyMap<string, string>
  readonly cpu: string
  readonly vcpu: string
  readonly memoryMb: string
  readonly bornMs: number
}

/** STATE/LCM_STATE in the order in which they were seen. */
const coming = ['1/0', '3/0', '3/1', '3/2'] as const
const lives: Readonly<Record<Life, readonly string[]>> = {
  up: [...coming, '3/3'],
  off: [...coming, '3/3', '8/0'],
  waits: ['1/0', 'no-room'],
  fails: [...coming, '3/36'],
  lost: [...coming, '3/3', '3/16'],
  stuck: ['1/0', '3/0'],
}
const endings: Readonly<Record<string, readonly string[]>> = {
  '1/0': ['6/0'],
  'no-room': ['6/0'],
  '3/3': ['3/12', '3/11', '6/0'],
  '3/16': ['3/12', '3/11', '6/0'],
  '3/36': ['3/12', '3/11', '6/0'],
  '8/0': ['3/11', '6/0'],
}

/** Recordings of one.vm.info, by the state that they show. */
const bodies: Readonly<Record<string, string>> = {
  '1/0': '026',
  'no-room': '150',
  '3/0': '029',
  '3/1': '030',
  '3/2': '031',
  '3/3': '032',
  '3/12': '065',
  '3/11': '066',
  '6/0': '067',
  '8/0': '041',
  '3/16': '164',
  '3/36': '120',
}

export type World = {
  readonly vms: ReadonlyMap<number, WorldVm>
  /** An administrator deletes it. */
  recover(vm: WorldVm): void
  add(vm: Omit<WorldVm, 'id' | 'bornMs'>, life: Life): WorldVm
  stateOf(vm: WorldVm): string
  /** False: nothing can end it in its state. */
  terminate(vm: WorldVm): boolean
  body(vm: WorldVm, isWhole: boolean): string
}

export function openWorld(recordings: Recordings, clock: Clock, stepMs: number): World {
  const vms = new Map<number, WorldVm>()
  const tracks = new Map<number, { readonly sinceMs: number; readonly states: readonly string[] }>()

  function stateOf({ id }: WorldVm): string {
    const { sinceMs, states } = known(tracks.get(id), `VM ${id}`)
    const passed = Math.floor((clock.monotonicMs() - sinceMs) / stepMs)
    return known(states[Math.min(passed, states.length - 1)], 'a state')
  }

  return {
    vms,
    add(vm, life) {
      const added = { ...vm, id: vms.size, bornMs: clock.nowMs() }
      vms.set(added.id, added)
      tracks.set(added.id, { sinceMs: clock.monotonicMs(), states: lives[life] })
      return added
    },
    stateOf,
    recover: (vm) => void tracks.set(vm.id, { sinceMs: clock.monotonicMs(), states: ['6/0'] }),
    terminate(vm) {
      const state = stateOf(vm)
      // On its way already, or there.
      if (state === '3/12' || state === '6/0') return true
      const states = endings[state]
      if (!states) return false
      tracks.set(vm.id, { sinceMs: clock.monotonicMs(), states })
      return true
    },
    body: (vm, isWhole) => (isWhole ? wholeBody(recordings, vm, stateOf(vm)) : shortBody(recordings, vm, stateOf(vm))),
  }
}

function wholeBody(recordings: Recordings, vm: WorldVm, state: string): string {
  const recorded = documentIn(recordings.answer(known(bodies[state], `state ${state}`)))
  const named = identified(recorded, vm)
  const sized = [
    ['CPU', vm.cpu],
    ['MEMORY', vm.memoryMb],
    ['VMID', String(vm.id)],
  ].reduce((text, [name = '', value = '']) => withElement(text, name, cdata(value)), named)
  const own = [...vm.attributes].map(([name, value]) => element(name, value)).join('')
  const marked = sized
    .replace(/<GRID_NODE>.*?<\/GRID_NODE>/s, '')
    .replace('</USER_TEMPLATE>', () => `${own}</USER_TEMPLATE>`)
  // What the user gave is replaced, what the server added stays.
  const given = [...vm.context].map(([name, value]) => element(name, value)).join('')
  return marked.replace(/<CONTEXT>(.*?)<\/CONTEXT>/s, (_, inside: string) => {
    const added = inside.replaceAll(/<(NETWORK|SSH_PUBLIC_KEY|TOKEN_NAME|USER_DATA|USER_DATA_ENCODING)>.*?<\/\1>/gs, '')
    return `<CONTEXT>${added}${given}</CONTEXT>`
  })
}

/** Only a running VM's short body was recorded: the state is written into it. None has attributes of one's own. */
function shortBody(recordings: Recordings, vm: WorldVm, state: string): string {
  const recorded = known(/<VM>.*<\/VM>/s.exec(documentIn(recordings.answer('033')))?.[0], 'a short body')
  const [main = '', lcm = ''] = state === 'no-room' ? ['1', '0'] : state.split('/')
  return [
    ['STATE', main],
    ['LCM_STATE', lcm],
    ['CPU', vm.cpu],
    ['MEMORY', vm.memoryMb],
    ['VCPU', vm.vcpu],
  ].reduce((text, [name = '', value = '']) => withElement(text, name, value), identified(recorded, vm))
}

function identified(body: string, { id, name, bornMs }: WorldVm): string {
  const numbered = withElement(withElement(body, 'ID', String(id)), 'NAME', name)
  return withElement(numbered, 'STIME', String(Math.floor(bornMs / 1000)))
}

function element(name: string, value: string): string {
  return `<${name}>${cdata(value)}</${name}>`
}

function cdata(value: string): string {
  return `<![CDATA[${value}]]>`
}
