/**
 * What operators look at and steer: counts, task queues, VMs, clouds, images, shares and tokens.
 *
 * Reads may be repeated, and so may decisions that are the same when they are made once more; what is made once says so.
 */

import { page } from '../core/kernel/limits.ts'
import { factOfWire } from '../proto/codec/facts.ts'
import {
  changedImageOfWire,
  cloudOfWire,
  drainedOfWire,
  entryToWire,
  imageOfWire,
  planLineOfWire,
  queueOfWire,
  statusOfWire,
  tokenOfWire,
  tokenRequestToWire,
  vmOfWire,
} from '../proto/codec/operate.ts'
import { shareOfWire, sharesOfWire } from '../proto/codec/shares.ts'
import type {
  ChangeImageResponse,
  ListCloudsRequest,
  ListCloudsResponse,
  ListImagesRequest,
  ListImagesResponse,
  ListSharesRequest,
  ListSharesResponse,
  ListTaskQueuesRequest,
  ListTaskQueuesResponse,
  ListVmsRequest,
  ListVmsResponse,
} from '../proto/gen/pilotage/v1/operate.ts'
import type { Unary } from './calls.ts'
import type { Clients } from './channels.ts'
import type {
  ChangedImage,
  ChangedShare,
  Clouds,
  ClusterStatus,
  DrainedVm,
  Image,
  IssuedToken,
  SharePath,
  Shares,
  TaskQueues,
  TokenRequest,
  Vm,
} from './cluster.ts'
import type { SignedEntry } from './image-document.ts'
import type { Fact } from './jobs.ts'

export interface OperateCalls {
  status(): Promise<ClusterStatus>
  queues(limit?: number): Promise<TaskQueues>
  vms(options?: { readonly ended?: boolean; readonly limit?: number }): Promise<readonly Vm[]>
  vmHistory(vmId: string): Promise<readonly Fact[]>
  clouds(): Promise<Clouds>
  drainVm(vmId: string, reason?: string): Promise<DrainedVm>
  createToken(request: TokenRequest): Promise<IssuedToken>

  images(): Promise<readonly Image[]>
  /** Adds an entry that an endorser of the service has signed. A repeated call changes nothing, as with the three below. */
  addImage(signed: SignedEntry): Promise<ChangedImage>
  approveImage(name: string, site: string): Promise<ChangedImage>
  disapproveImage(name: string, site: string): Promise<ChangedImage>
  revokeImage(name: string, reason?: string): Promise<ChangedImage>

  /** Each VO with what is below it. */
  shares(): Promise<Shares>
  /** `weight` undefined: as configured again. */
  setShareWeight(path: SharePath, weight: number | undefined, reason?: string): Promise<ChangedShare>
}

/** A method of the service, on one endpoint of it. */
export type Method<Request, Response> = (to: Clients) => Unary<Request, Response>

type Call = <Request, Response>(doing: string, method: Method<Request, Response>, request: Request) => Promise<Response>

/** `read`: may be repeated. `ask`: is made once. */
export function operateCalls(read: Call, ask: Call): OperateCalls {
  return {
    ...clusterReads(read),
    drainVm: async (vmId, reason = '') =>
      drainedOfWire(await ask('draining the VM', (to) => to.operate.drainVm.bind(to.operate), { vmId, reason })),
    createToken: async (request) => {
      const wire = tokenRequestToWire(request)
      return tokenOfWire(await ask('creating a token', (to) => to.operate.createToken.bind(to.operate), wire))
    },
    ...imageCalls(read),
    ...shareCalls(read),
  }
}

function clusterReads(read: Call): Pick<OperateCalls, 'status' | 'queues' | 'vms' | 'vmHistory' | 'clouds'> {
  return {
    status: async () => statusOfWire(await read('reading the status', (to) => to.operate.getStatus.bind(to.operate), {})),
    async queues(limit = page.default) {
      const method: Method<ListTaskQueuesRequest, ListTaskQueuesResponse> = (to) =>
        to.operate.listTaskQueues.bind(to.operate)
      const pages = await readPages(
        (at) => read('listing task queues', method, at),
        ({ queues }) => queues,
        limit,
      )
      return { queues: pages.items.map(queueOfWire), total: pages.first.total }
    },
    async vms({ ended = false, limit = Infinity } = {}) {
      const method: Method<ListVmsRequest, ListVmsResponse> = (to) => to.operate.listVms.bind(to.operate)
      const pages = await readPages(
        (at) => read('listing VMs', method, { ended, ...at }),
        ({ vms }) => vms,
        limit,
      )
      return pages.items.map(vmOfWire)
    },
    vmHistory: async (vmId) => {
      const answer = await read('reading the history', (to) => to.operate.getVmHistory.bind(to.operate), { vmId })
      return answer.facts.map(factOfWire)
    },
    async clouds() {
      const method: Method<ListCloudsRequest, ListCloudsResponse> = (to) => to.operate.listClouds.bind(to.operate)
      const pages = await readPages(
        (at) => read('listing clouds', method, at),
        ({ clouds }) => clouds,
        Infinity,
      )
      return { clouds: pages.items.map(cloudOfWire), plan: pages.first.plan.map(planLineOfWire) }
    },
  }
}

type ImageCalls = Pick<OperateCalls, 'images' | 'addImage' | 'approveImage' | 'disapproveImage' | 'revokeImage'>

/** All of them may be repeated: whatever is decided once more is as it was. */
function imageCalls(read: Call): ImageCalls {
  const change = async <Request>(doing: string, method: Method<Request, ChangeImageResponse>, request: Request) =>
    changedImageOfWire(await read(doing, method, request))
  return {
    async images() {
      const method: Method<ListImagesRequest, ListImagesResponse> = (to) => to.operate.listImages.bind(to.operate)
      const pages = await readPages(
        (at) => read('listing images', method, at),
        ({ images }) => images,
        Infinity,
      )
      return pages.items.map(imageOfWire)
    },
    addImage: ({ entry, signature }) =>
      change('adding the image', (to) => to.operate.addImage.bind(to.operate), { entry: entryToWire(entry), signature }),
    approveImage: (name, site) =>
      change('approving the image', (to) => to.operate.approveImage.bind(to.operate), { name, site }),
    disapproveImage: (name, site) =>
      change('disapproving the image', (to) => to.operate.disapproveImage.bind(to.operate), { name, site }),
    revokeImage: (name, reason = '') =>
      change('revoking the image', (to) => to.operate.revokeImage.bind(to.operate), { name, reason }),
  }
}

/** A weight that is set once more is as it was. */
function shareCalls(read: Call): Pick<OperateCalls, 'shares' | 'setShareWeight'> {
  return {
    async shares() {
      const method: Method<ListSharesRequest, ListSharesResponse> = (to) => to.operate.listShares.bind(to.operate)
      const pages = await readPages(
        (at) => read('listing shares', method, at),
        ({ shares }) => shares,
        Infinity,
      )
      return { ...sharesOfWire(pages.first), nodes: pages.items.map(shareOfWire) }
    },
    setShareWeight: ({ vo, group = '', owner = '' }, weight, reason = '') =>
      read('setting the weight', (to) => to.operate.setShareWeight.bind(to.operate), { vo, group, owner, weight, reason }),
  }
}

type PageAt = { readonly pageSize: number; readonly pageToken: string }

/** At most `limit` items of as many pages as that takes, and the first page. */
async function readPages<Page extends { readonly nextPageToken: string }, Item>(
  readPage: (at: PageAt) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
  limit: number,
): Promise<{ readonly items: readonly Item[]; readonly first: Page }> {
  const first = await readPage({ pageSize: Math.min(page.max, limit), pageToken: '' })
  const items = [...itemsOf(first)]
  let pageToken = first.nextPageToken
  while (pageToken !== '' && items.length < limit) {
    const next = await readPage({ pageSize: Math.min(page.max, limit - items.length), pageToken })
    items.push(...itemsOf(next))
    pageToken = next.nextPageToken
  }
  return { items: items.slice(0, limit), first }
}
