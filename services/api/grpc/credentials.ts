/** What the gRPC server shows of itself: nothing, or a certificate that may change while it serves. */

import { ServerCredentials } from '@grpc/grpc-js'
import type { ServedTls } from '../../../core/ports/served-tls.ts'

/** No certificate is asked of callers: they bring a token. */
export function serverCredentials(tls: ServedTls | undefined): ServerCredentials {
  return tls ? new ChangingCredentials(tls) : ServerCredentials.createInsecure()
}

/**
 * The library hands each new context to its server. A call that is under way keeps its connection and that one's
 * certificate.
 */
class ChangingCredentials extends ServerCredentials {
  constructor(tls: ServedTls) {
    super({}, tls.context())
    tls.onChange((context) => this.updateSecureContextOptions(context))
  }

  _equals(other: ServerCredentials): boolean {
    return this === other
  }
}
