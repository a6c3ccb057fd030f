/** What a real server of the tests is: where it lies, or why it is not there. */

export type PeerName =
  | 'mongod'
  | 'nats-server'
  | 'moto_server'
  | 'squid'
  | 'cloud-init'
  | 'openstack'
  | 'opennebula'
  | 'sshd'
  | 'vm'

/** `url`: a server of another program, which tests may use and leave as it was, but not stop. */
export type Place =
  | { readonly kind: 'program'; readonly program: string; readonly version: string }
  | { readonly kind: 'url'; readonly url: string }

export type Peer = {
  readonly name: PeerName
  /** Each is to be tested; the first is what is used beside other peers. None: absent. */
  readonly places: readonly Place[]
  /** Where it was looked for. */
  readonly soughtIn: string
  /** Why it cannot be used although something of it is here, or a variable names it; it has no places then. */
  readonly fault?: string
}

export type Environment = Readonly<Record<string, string | undefined>>
