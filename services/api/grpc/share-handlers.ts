/** The methods of OperateService on shares: the tree as it stands, and the weights that operators set. */

import { pageOf } from '../../../proto/codec/page-tokens.ts'
import { sharePathOf, shareToWire } from '../../../proto/codec/shares.ts'
import { durationOf } from '../../../proto/codec/times.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/operate.ts'
import { listShares, type SharePorts } from '../../accounting/list-shares.ts'
import { setShare, type SetSharePorts } from '../../accounting/share-weights.ts'
import { asUser, type Edge } from './edge.ts'
import { reasonOf } from './reason.ts'

type ShareMethods = Pick<wire.OperateServiceServer, 'listShares' | 'setShareWeight'>

export function shareHandlers(ports: SharePorts & SetSharePorts, edge: Edge): ShareMethods {
  return {
    listShares: edge.unary('listShares', async (request: wire.ListSharesRequest, caller) => {
      const { nodes, version, halfLifeMs } = await listShares(ports, asUser(caller))
      const { items, nextPageToken } = pageOf('shares', nodes, request)
      return { shares: items.map(shareToWire), version, halfLife: durationOf(halfLifeMs), nextPageToken }
    }),
    setShareWeight: edge.unary('setShareWeight', async (request: wire.SetShareWeightRequest, caller) => {
      const { weight, reason } = request
      return setShare(ports, asUser(caller), { path: sharePathOf(request), weight, reason: reasonOf(reason) })
    }),
  }
}
