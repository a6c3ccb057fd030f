/** What users and operators see of the installation, and what operators and the administrator decide. */

import { endorse, newEndorserKey } from '../../../client/endorser-key.ts'
import { readImageEntry } from '../../../client/image-document.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { dayOf } from '../../../core/model/usage-record.ts'
import type { Caller } from './callers.ts'
import { answerOf, type Attempted, type Operation, showing } from './operation.ts'
import type { Workshop } from './workshop.ts'

export const endorserKey = newEndorserKey()
export const endorserName = 'tester'
export const imageSite = 'here'

export const clusterOperations: readonly Operation[] = [
  {
    name: 'cluster status',
    actions: ['status.read'],
    reach: 'own',
    attempt: showing(() => ['cluster', 'status'], /version|service/i),
  },
  {
    name: 'cluster queues',
    actions: ['task-queue.list'],
    reach: 'vo',
    async attempt(_, caller) {
      const { out } = await caller.run(['cluster', 'queues', '--json'])
      return { answer: out.includes('"owner":"ada"') ? 'ok' : 'not-found', wrong: '' }
    },
  },
  {
    name: 'accounting report',
    actions: ['usage.read'],
    reach: 'vo',
    attempt: accountedOf(() => ['accounting', 'report', '--by', 'owner,reason', '--json'], /"owner":"ada","reason":"done"/),
  },
  {
    name: 'accounting bill',
    actions: ['usage.read'],
    reach: 'vo',
    attempt: accountedOf(() => ['accounting', 'bill', '--month', thisMonth(), '--json'], /"vo":"lhcb"/),
  },
  {
    name: 'accounting export',
    actions: ['usage.read'],
    reach: 'vo',
    attempt: accountedOf(() => ['accounting', 'export', '--format', 'csv', '--month', thisMonth()], /,lhcb,\w*,ada,/),
  },
  { name: 'cluster vms', actions: ['vm.list'], reach: 'own', attempt: vmShown(['cluster', 'vms', '--json']) },
  {
    name: 'cluster clouds',
    actions: ['cloud.list'],
    reach: 'own',
    attempt: showing(() => ['cluster', 'clouds'], /local/),
  },
  {
    name: 'vm history',
    actions: ['vm.read'],
    reach: 'own',
    attempt: showing(({ vmId }) => ['vm', 'history', vmId], /Active/),
  },
  { name: 'share list', actions: ['share.list'], reach: 'own', attempt: showing(() => ['share', 'list'], /WEIGHT/) },
  {
    name: 'share set',
    actions: ['share.set'],
    reach: 'operators',
    attempt: showing(() => ['share', 'set', '--vo', 'lhcb', '--weight', '2', '--reason', 'for the scenario'], /weight 2/),
  },
  { name: 'image list', actions: ['image.list'], reach: 'own', attempt: showing(() => ['image', 'list'], /.*/) },
  { name: 'image add', actions: ['image.add'], reach: 'operators', attempt: deciding((image, client) => image(client)) },
  {
    name: 'image approve',
    actions: ['image.approve'],
    reach: 'operators',
    attempt: onImage((name, { client }) => client.approveImage(name, imageSite)),
  },
  {
    name: 'image disapprove',
    actions: ['image.disapprove'],
    reach: 'operators',
    attempt: onImage((name, { client }) => client.disapproveImage(name, imageSite)),
  },
  {
    name: 'image revoke',
    actions: ['image.revoke'],
    reach: 'operators',
    attempt: onImage((name, { client }) => client.revokeImage(name, 'for the scenario')),
  },
  {
    name: 'token create',
    actions: ['token.create'],
    reach: 'admins',
    attempt: showing(() => ['token', 'create', '--subject', 'new', '--vo', 'lhcb'], /^[\w-]+\.[\w-]+\.[\w-]+/),
  },
  {
    name: 'vm drain',
    actions: ['vm.drain'],
    reach: 'operators',
    attempt: showing(({ vmId }) => ['vm', 'drain', vmId], /Draining/),
  },
]

function vmShown(argv: readonly string[]): Operation['attempt'] {
  return async ({ vmId }, caller) => {
    const { out } = await caller.run(argv)
    return { answer: out.includes(vmId) ? 'ok' : 'not-found', wrong: '' }
  }
}

let images = 0

/** Signed by whom the installation trusts; each a new one. */
function newImage(): { readonly name: string; add(by: Caller): Promise<unknown> } {
  images += 1
  const name = `image-${images}`
  const digest = `sha256:${String(images).padStart(64, '0')}`
  const written = {
    name,
    os: 'linux',
    architecture: 'x86_64',
    digest,
    references: { local: 'id:1' },
    validUntil: '2999-01-01',
  }
  const entry = readImageEntry(JSON.stringify(written), endorserName)
  return { name, add: ({ client }) => client.addImage({ entry, signature: endorse(entry, endorserKey.privatePem) }) }
}

function deciding(act: (add: (by: Caller) => Promise<unknown>, caller: Caller) => Promise<unknown>): Operation['attempt'] {
  return (_, caller) => answered(() => act(newImage().add, caller))
}

function onImage(act: (name: string, caller: Caller) => Promise<unknown>): Operation['attempt'] {
  return async ({ callers }: Workshop, caller) => {
    const image = newImage()
    await image.add(callers.operator)
    return answered(() => act(image.name, caller))
  }
}

async function answered(act: () => Promise<unknown>): Promise<Attempted> {
  try {
    await act()
    return { answer: 'ok', wrong: '' }
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    const { code } = thrown
    return { answer: code === 'forbidden' || code === 'not-found' ? code : `exit ${code}`, wrong: '' }
  }
}

function thisMonth(): string {
  return dayOf(systemClock().nowMs()).slice(0, 7)
}

/** What the VO's jobs used is shown to its members, and is missing where others look. */
function accountedOf(argv: () => readonly string[], shown: RegExp): Operation['attempt'] {
  return async (_, caller) => {
    const ran = await caller.run(argv())
    const answer = answerOf(ran)
    return { answer: answer === 'ok' && !shown.test(ran.out) ? 'not-found' : answer, wrong: '' }
  }
}
