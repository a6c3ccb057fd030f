/**
 * The certificate that a server shows, as its files hold it now. Changes while the server runs; the server takes each new
 * one.
 */

export type TlsFiles = {
  readonly certFile: string
  readonly keyFile: string
  /** The oldest version of TLS that is served. */
  readonly minVersion: '1.2' | '1.3'
}

export type TlsPair = { readonly certPem: string; readonly keyPem: string }

/** What every TLS server of Node takes: at its start, and for a new context. */
export type TlsContext = { readonly cert: string; readonly key: string; readonly minVersion: 'TLSv1.2' | 'TLSv1.3' }

export type ServedTls = {
  /** What is served now. */
  context(): TlsContext
  /** Calls `hear` with each new context. Answers how to end that. */
  onChange(hear: (context: TlsContext) => void): () => void
}
