/** The driver of clouds of kind openstack. Its secret is the one that the configured way to log in needs. */

import { cloudMark, type Driver } from '../kit/driver.ts'
import { type OpenStackConfig, type RawOpenStack, schema } from './config.ts'
import type { Login } from './options.ts'
import { userDataLimit } from './user-data.ts'

export const driver: Driver<RawOpenStack, OpenStackConfig> = {
  kind: 'openstack',
  schema,
  traits: {
    isOnThisMachine: false,
    isLent: false,
    startsImages: true,
    takesDelivery: true,
    userData: userDataLimit,
  },
  secrets({ caFile, secret }, path, reader) {
    const login = reader.secret(`${path}.${secret.key}`, secret.source)
    return caFile === undefined ? { login } : { login, caPem: reader.certificate(`${path}.caFile`, caFile) }
  },
  async open(options, given) {
    const { openStackCloud } = await import('./cloud.ts')
    const { name, clock, log, references } = given
    const { login: secret = '', caPem } = given.secrets
    return openStackCloud({
      ...options,
      ...{ name, clock, log, references, installation: cloudMark(given) },
      access: { ...options, caPem, login: withSecret(options.login, secret) },
    })
  },
}

function withSecret(login: OpenStackConfig['login'], secret: string): Login {
  switch (login.method) {
    case 'password':
      return { ...login, password: secret }
    case 'application-credential':
      return { ...login, secret }
    case 'token':
      return { ...login, token: secret }
  }
}
