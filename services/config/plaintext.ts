/**
 * Whether what a configuration connects to is reached over a wire that others can listen on: servers beyond this machine
 * without TLS. Such a connection is made only where `plaintext: true` stands beside the address (docs/adr/0013, 0024).
 *
 * What cannot be proved to be on this machine or encrypted counts as plain. No name is looked up and no server is asked.
 */

import { hostPort, isLoopback } from '../../core/kernel/endpoints.ts'

/** Where an edge listens, or what a connection leads to. */
export function isLocal(host: string): boolean {
  return isLoopback(hostPort(host, 1))
}

export const mongoForm = 'mongodb://host:port,host:port/?replicaSet=name'
export const mongoTlsForm =
  'hosts of this machine; any with tls=true in the address, or with store.plaintext on a private network'

const mongoUrl = /^(mongodb(?:\+srv)?):\/\/(?:[^@/?#]*@)?([^/?#@\s]+)([/?#][^\s]*)?$/

export function isMongoUrl(url: string): boolean {
  return mongoUrl.test(url)
}

/** These take any server for the right one, so that a host between the two reads everything. */
const careless = ['tlsinsecure', 'tlsallowinvalidcertificates', 'tlsallowinvalidhostnames']

/** True where the driver would speak without TLS, or without a checked certificate, to a host that may be elsewhere. */
export function isPlainMongo(url: string): boolean {
  const reach = reachOf(url)
  return reach === undefined || (!reach.isEncrypted && !reach.isLocal)
}

/** Whether members of a replica set may be beyond this machine, wherever the address itself leads. */
export function mayLeaveMachine(url: string, plaintext: boolean): boolean {
  return plaintext || reachOf(url)?.isEncrypted === true
}

/** undefined: it is no address. */
function reachOf(url: string): { readonly isEncrypted: boolean; readonly isLocal: boolean } | undefined {
  const [, scheme, hosts = '', rest = ''] = mongoUrl.exec(url) ?? []
  if (scheme === undefined) return undefined
  const options = [...new URLSearchParams(rest.replace(/#.*$/, '').replace(/^[^?]*\??/, ''))].map(
    ([key, value]) => [key.toLowerCase(), value] as const,
  )
  const given = (...keys: readonly string[]) => options.filter(([key]) => keys.includes(key)).map(([, value]) => value)
  const asked = given('tls', 'ssl')
  const isSrv = scheme === 'mongodb+srv'
  const isTls = asked.every((value) => value === 'true') && (isSrv || asked.length > 0)
  // A name that DNS answers with names, and a proxy, lead anywhere.
  const leadsAway = isSrv || given('proxyhost').length > 0
  return {
    isEncrypted: isTls && given(...careless).every((value) => value === 'false'),
    isLocal: !leadsAway && hosts.split(',').every(isLocalMongo),
  }
}

/** `host`, `host:port`, `[::1]:port`, or the path of a socket, as the driver takes them. */
function isLocalMongo(address: string): boolean {
  let decoded: string
  try {
    decoded = decodeURIComponent(address)
  } catch {
    return false
  }
  if (decoded.endsWith('.sock')) return decoded.startsWith('/')
  return isLoopback(/:\d+$/.test(decoded) ? decoded : `${decoded}:27017`)
}

export const natsTlsForm =
  'an address of this machine; any with nats.caFile or tls://, or with nats.plaintext on a private network'

/** The servers to which a connection would go in plain. One address with tls:// makes the connection to every server TLS. */
export function plainNats(servers: readonly string[], caFile: string | undefined): readonly string[] {
  if (caFile !== undefined || servers.some((server) => server.startsWith('tls://'))) return []
  return servers.filter((server) => !isLoopback(server.replace(/^nats:\/\//, '')))
}
