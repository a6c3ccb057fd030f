/**
 * The driver of clouds of kind ssh: hosts that exist already, reached with a key; and the delivery of contexts to VMs of
 * other clouds.
 */

import { cloudMark, type Delivery, type Driver } from '../kit/driver.ts'
import { type RawSsh, schema, type SshConfig } from './config.ts'
import { userDataLimit } from './user-data.ts'

export const driver: Driver<RawSsh, SshConfig> = {
  kind: 'ssh',
  schema,
  traits: {
    isOnThisMachine: false,
    isLent: true,
    startsImages: false,
    takesDelivery: false,
    userData: userDataLimit,
  },
  secrets: ({ privateKey }, path, reader) => ({ privateKey: reader.privateKey(`${path}.privateKey`, privateKey) }),
  async open({ user, sudo, hosts }, given) {
    const { sshCloud, sshTimes } = await import('./cloud.ts')
    const { name, clock, log, notes, offerings } = given
    const { privateKey = '' } = given.secrets
    const sizes = new Map(offerings.map(({ flavor, cores, memoryBytes }) => [flavor, { cores, memoryBytes }]))
    return sshCloud({
      ...{ name, clock, log, hosts, sizes, installation: cloudMark(given), keep: notes },
      login: { user, privateKey, sudo },
      ...sshTimes,
    })
  },
}

export const delivery: Delivery = {
  userData: userDataLimit,
  async around(cloud, options) {
    const { deliveringCloud } = await import('./deliver.ts')
    return deliveringCloud(cloud, options)
  },
}
