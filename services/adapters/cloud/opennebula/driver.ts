/** The driver of clouds of kind opennebula. */

import { cloudMark, type Driver } from '../kit/driver.ts'
import { type OpenNebulaConfig, type RawOpenNebula, schema } from './config.ts'
import { userDataLimit } from './user-data.ts'

export const driver: Driver<RawOpenNebula, OpenNebulaConfig> = {
  kind: 'opennebula',
  schema,
  traits: {
    isOnThisMachine: false,
    isLent: false,
    startsImages: true,
    takesDelivery: true,
    userData: userDataLimit,
  },
  secrets({ caFile, password }, path, reader) {
    const secret = reader.secret(`${path}.password`, password)
    return { password: secret, ...(caFile === undefined ? {} : { caPem: reader.certificate(`${path}.caFile`, caFile) }) }
  },
  async open(options, given) {
    const { openNebulaCloud } = await import('./cloud.ts')
    const { name, clock, log, references } = given
    const { password = '', caPem } = given.secrets
    return openNebulaCloud({
      ...options,
      ...{ name, clock, log, references, installation: cloudMark(given), password, caPem },
    })
  },
}
