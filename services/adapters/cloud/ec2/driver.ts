/** The driver of clouds of kind ec2. Its package is optional, and loaded only where a cloud of this kind is opened. */

import type { Driver } from '../kit/driver.ts'
import { type Ec2Config, type RawEc2, schema } from './config.ts'
import { userDataLimit } from './user-data.ts'

/** Where an instance finds the notice of a spot interruption. */
const metadataUrl = 'http://169.254.169.254'

export const driver: Driver<RawEc2, Ec2Config> = {
  kind: 'ec2',
  schema,
  traits: {
    isOnThisMachine: false,
    isLent: false,
    startsImages: true,
    takesDelivery: true,
    userData: userDataLimit,
    interruption(flavor) {
      const isSpot = flavor?.by === 'properties' && flavor.properties.market === 'spot'
      return isSpot ? { kind: 'ec2', metadataUrl } : undefined
    },
  },
  secrets({ caFile, credentials }, path, reader) {
    const { kind, ...sources } = credentials
    const keys = Object.entries(sources).map(([key, source]) => [key, reader.secret(`${path}.${key}`, source)])
    const caPem = caFile === undefined ? {} : { caPem: reader.certificate(`${path}.caFile`, caFile) }
    return { ...Object.fromEntries(kind === 'keys' ? keys : []), ...caPem }
  },
  async open({ credentials, ...options }, { name, installation, clock, log, references, secrets }) {
    const { openEc2Cloud } = await import('./cloud.ts')
    const { accessKeyId = '', secretAccessKey = '', sessionToken, caPem } = secrets
    const keys = { kind: 'keys' as const, accessKeyId, secretAccessKey, sessionToken }
    return openEc2Cloud({
      ...options,
      ...{ name, installation, clock, log, references, caPem },
      credentials: credentials.kind === 'keys' ? keys : credentials,
    })
  },
}
