/**
 * The store as one life of the service sees it: calls take time and are answered in order, may fail before or after their
 * commit, and a call that is under way when the process dies was either committed without an answer or never happened.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import type { DependencyStore, Store } from '../core/ports/store.ts'
import type { AccountingStore } from '../core/ports/accounting.ts'
import type { SandboxStore } from '../core/ports/sandbox-store.ts'
import type { Ground } from './ground.ts'
import type { Weather } from './weather.ts'
import type { SimProcess } from './process.ts'

export type StoreView = {
  readonly store: Store
  /** The disk is slow for a while. */
  crawl(ms: number): void
}

/** As much of a world as a store sees. */
export type StoreGround = Pick<Ground, 'timeline' | 'dice'> & {
  readonly weather: Pick<Weather, 'storeMs' | 'isStoreOrdered' | 'storeHiccupRate' | 'storeFailRate'>
}

const crawlMs = 1500
const hiccupMs = 5000

export function storeView(truth: Store, process: SimProcess, { timeline, dice, weather }: StoreGround): StoreView {
  const queued = { commitMs: 0, answerMs: 0 }
  let crawlsUntilMs = 0

  const takes = (): number => {
    const slow = timeline.nowMs() < crawlsUntilMs ? dice.between(0, crawlMs) : 0
    return dice.about(weather.storeMs) + slow + (dice.chance(weather.storeHiccupRate) ? dice.between(0, hiccupMs) : 0)
  }

  /** So much later; in order, not before what was queued before it. */
  function due(queue: keyof typeof queued, ms: number): number {
    const atMs = timeline.nowMs() + ms
    if (!weather.isStoreOrdered) return ms
    queued[queue] = Math.max(queued[queue], atMs)
    return queued[queue] - timeline.nowMs()
  }

  function ask<Value>(act: () => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const fails = dice.chance(weather.storeFailRate)
      const isLate = fails && dice.chance(0.5)
      const answer = (say: () => void): void => {
        process.deliver(due('answerMs', weather.isStoreOrdered ? weather.storeMs / 4 : takes()), say)
      }
      const refuse = (): void => answer(() => reject(new PilotageError('unavailable', 'the store did not answer')))
      // The disk works on while the process is stopped, but not when it is dead.
      timeline.after(due('commitMs', takes()), () => {
        if (!process.isAlive()) return
        if (fails && !isLate) return refuse()
        act().then(
          (value) => (isLate ? refuse() : answer(() => resolve(value))),
          (error: unknown) => answer(() => reject(error)),
        )
      })
    })
  }

  const store: Store = {
    submit: (...args) => ask(() => truth.submit(...args)),
    change: (...args) => ask(() => truth.change(...args)),
    jobs: (...args) => ask(() => truth.jobs(...args)),
    specs: (...args) => ask(() => truth.specs(...args)),
    list: (...args) => ask(() => truth.list(...args)),
    countBy: (...args) => ask(() => truth.countBy(...args)),
    queues: (...args) => ask(() => truth.queues(...args)),
    next: (...args) => ask(() => truth.next(...args)),
    expired: (...args) => ask(() => truth.expired(...args)),
    leasesBeyond: (...args) => ask(() => truth.leasesBeyond(...args)),
    counts: () => ask(() => truth.counts()),
    forget: (...args) => ask(() => truth.forget(...args)),
    intend: (...args) => ask(() => truth.intend(...args)),
    changeVms: (...args) => ask(() => truth.changeVms(...args)),
    vm: (...args) => ask(() => truth.vm(...args)),
    liveVms: () => ask(() => truth.liveVms()),
    endedVms: (...args) => ask(() => truth.endedVms(...args)),
    leasesOn: (...args) => ask(() => truth.leasesOn(...args)),
    emit: (...args) => ask(() => truth.emit(...args)),
    history: (...args) => ask(() => truth.history(...args)),
    facts: (...args) => ask(() => truth.facts(...args)),
    ...notes(truth, ask),
    ...rolesAndImages(truth, ask),
    ...outsideOfJobs(truth, ask),
    close: () => Promise.resolve(),
  }
  const crawl = (ms: number): void => {
    crawlsUntilMs = timeline.nowMs() + ms
  }
  return { store, crawl }
}

type Ask = <Value>(act: () => Promise<Value>) => Promise<Value>

function notes(truth: Store, ask: Ask): Pick<Store, 'note' | 'keepNote' | 'changeNote'> {
  return {
    note: (...args) => ask(() => truth.note(...args)),
    keepNote: (...args) => ask(() => truth.keepNote(...args)),
    changeNote: (...args) => ask(() => truth.changeNote(...args)),
  }
}

function dependencies(truth: Store, ask: Ask): DependencyStore {
  return {
    dependants: (...args) => ask(() => truth.dependants(...args)),
    awaitedEnds: (...args) => ask(() => truth.awaitedEnds(...args)),
  }
}

function rolesAndImages(truth: Store, ask: Ask): Pick<Store, 'hold' | 'letGo' | 'roles' | 'images' | 'changeImage'> {
  return {
    hold: (...args) => ask(() => truth.hold(...args)),
    letGo: (...args) => ask(() => truth.letGo(...args)),
    roles: (...args) => ask(() => truth.roles(...args)),
    images: (...args) => ask(() => truth.images(...args)),
    changeImage: (...args) => ask(() => truth.changeImage(...args)),
  }
}

function accounting(truth: Store, ask: Ask): AccountingStore {
  return {
    accountedSeq: () => ask(() => truth.accountedSeq()),
    meters: (...args) => ask(() => truth.meters(...args)),
    metersAfter: (...args) => ask(() => truth.metersAfter(...args)),
    account: (...args) => ask(() => truth.account(...args)),
    usage: (...args) => ask(() => truth.usage(...args)),
    usageRecords: (...args) => ask(() => truth.usageRecords(...args)),
    forgetUsageRecords: (...args) => ask(() => truth.forgetUsageRecords(...args)),
  }
}

function outsideOfJobs(truth: Store, ask: Ask): SandboxStore & DependencyStore & AccountingStore {
  return {
    ...dependencies(truth, ask),
    ...accounting(truth, ask),
    claim: (...args) => ask(() => truth.claim(...args)),
    settleClaim: (...args) => ask(() => truth.settleClaim(...args)),
    renewClaims: (...args) => ask(() => truth.renewClaims(...args)),
    endClaims: (...args) => ask(() => truth.endClaims(...args)),
    blobsRemoved: (...args) => ask(() => truth.blobsRemoved(...args)),
    keepOutputFile: (...args) => ask(() => truth.keepOutputFile(...args)),
    outputFiles: (...args) => ask(() => truth.outputFiles(...args)),
  }
}
