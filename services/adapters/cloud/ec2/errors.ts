/**
 * What EC2's refusals mean to us: one table from its codes to ours. Decides by the code alone, because the HTTP status says
 * little: a full zone answers 500.
 *
 * A code that is not in the table, or no answer at all, is `cloud-transient`: what was done is unknown. Messages
 * carry the cloud's own words, shortened, without anything long enough to be a secret. The SDK's error is not kept as cause:
 * it holds the request, and with it user data and session token.
 */

import { type ErrorCode, PilotageError } from '../../../../core/kernel/errors.ts'

type CloudCode = Extract<ErrorCode, `cloud-${string}`>

const byCode: Readonly<Partial<Record<CloudCode, readonly string[]>>> = {
  'cloud-auth': [
    'AccessDenied',
    'AccessDeniedException',
    'AuthFailure',
    'Blocked',
    'CredentialsProviderError',
    'ExpiredToken',
    'ExpiredTokenException',
    'IncompleteSignature',
    'InvalidAccessKeyId',
    'InvalidClientTokenId',
    'InvalidSecurity',
    'InvalidSecurityToken',
    'InvalidSignatureException',
    'MissingAuthenticationToken',
    'NotAuthorized',
    'OptInRequired',
    'PendingVerification',
    // Its clock or ours is wrong: as bad as a wrong key, and as little mended by asking again.
    'RequestExpired',
    'SignatureDoesNotMatch',
    'TokenRefreshRequired',
    'UnauthorizedOperation',
    'UnrecognizedClientException',
  ],
  'cloud-quota': [
    'AddressLimitExceeded',
    'AttachmentLimitExceeded',
    'ConcurrentCreateLimitExceeded',
    'DedicatedHostLimitExceeded',
    'InstanceLimitExceeded',
    'MaxIOPSLimitExceeded',
    'MaxSpotInstanceCountExceeded',
    'NetworkInterfaceLimitExceeded',
    'ResourceLimitExceeded',
    'TagLimitExceeded',
    'VcpuLimitExceeded',
    'VolumeLimitExceeded',
  ],
  'cloud-capacity': [
    'InsufficientAddressCapacity',
    'InsufficientCapacity',
    'InsufficientCapacityOnHost',
    'InsufficientFreeAddressesInSubnet',
    'InsufficientHostCapacity',
    'InsufficientInstanceCapacity',
    'InsufficientReservedInstanceCapacity',
    'InsufficientVolumeCapacity',
    // The market is above our price now. It falls, or another zone is cheaper.
    'SpotMaxPriceTooLow',
  ],
  'cloud-refused': [
    'BlockDeviceMapping.TooMany',
    'EncryptedVolumesNotSupported',
    // Its machine has ended long ago, and one that has ended is not made again.
    'IdempotentInstanceTerminated',
    'InstanceTypeNotSupported',
    'MalformedQueryString',
    'MissingInput',
    'MissingParameter',
    'NonEBSInstance',
    'OperationNotPermitted',
    'UnknownParameter',
    'UnknownPrincipalType.Unsupported',
    'Unsupported',
    'UnsupportedInstanceTypeOnHost',
    'UnsupportedOperation',
    'UnsupportedProtocol',
    'ValidationError',
    'VPCIdNotSpecified',
    'VPCResourceNotSpecified',
  ],
  'cloud-gone': [
    'InvalidInstanceID.Malformed',
    'InvalidInstanceID.NotFound',
    'InvalidInstanceId',
    'InvalidInstanceId.NotFound',
  ],
  'cloud-transient': [
    'ConcurrentTagAccess',
    'IdempotentParameterMismatch',
    'InternalError',
    'InternalFailure',
    'InvalidAction.TooEarly',
    'InvalidState',
    'RequestLimitExceeded',
    'RequestThrottled',
    'ServerInternal',
    'ServiceUnavailable',
    'SlowDown',
    'Throttling',
    'ThrottlingException',
    'TooManyRequestsException',
    'Unavailable',
  ],
}

const known = new Map(
  Object.entries(byCode).flatMap(([ours, codes]) => codes.map((code) => [code, ours as CloudCode] as const)),
)

/**
 * What is wrong with an order is a family that grows with every version of the API: `InvalidAMIID.NotFound` and its like.
 */
const families: readonly (readonly [RegExp, CloudCode])[] = [
  [/^Invalid\w*(?:\.|$)/, 'cloud-refused'],
  [/^Insufficient\w+Capacity/, 'cloud-capacity'],
  [/LimitExceeded$/, 'cloud-quota'],
]

export function codeOf(theirs: string): CloudCode {
  return known.get(theirs) ?? families.find(([shape]) => shape.test(theirs))?.[1] ?? 'cloud-transient'
}

function isKnown(theirs: string): boolean {
  return known.has(theirs) || families.some(([shape]) => shape.test(theirs))
}

/** Ours, with EC2's own code and the HTTP status; empty and 0 where no answer came. */
export type Ec2Error = PilotageError & { readonly theirs: string; readonly status: number }

/** Anything that the SDK throws, or that cut it off. */
export function asEc2Error(thrown: unknown, doing: string): Ec2Error {
  if (isEc2Error(thrown)) return thrown
  const of = (code: CloudCode, theirs: string, why: string, status = 0): Ec2Error =>
    Object.assign(new PilotageError(code, `${doing}: ${why}`), { theirs, status })
  if (!(thrown instanceof Error)) return of('cloud-transient', '', worded(String(thrown)))
  const { name, message } = thrown
  if (isAnswer(thrown)) {
    return of(codeOf(name), name, `${name}: ${worded(message)}`, thrown.$metadata?.httpStatusCode)
  }
  if (name === 'CredentialsProviderError') return of('cloud-auth', '', `no credentials were found: ${worded(message)}`)
  const reason = (thrown as NodeJS.ErrnoException).code
  return of('cloud-transient', '', `no answer (${typeof reason === 'string' ? reason : name})`)
}

export function isEc2Error(thrown: unknown): thrown is Ec2Error {
  return thrown instanceof PilotageError && 'theirs' in thrown
}

/** EC2's own code of what was thrown, or nothing. */
export function theirCode(thrown: unknown): string {
  return isEc2Error(thrown) ? thrown.theirs : ''
}

/**
 * What EC2 said of one order, when asked to run it. Some of its codes stand for a wrong credential and for a wrong order
 * alike: an image that is another account's, one of the Marketplace whose terms are not accepted, a type that a policy
 * forbids. The credential has just listed machines and images, so that these are the order's. A refusal with a code that the
 * table does not have is the order's as well: nothing was made. A wrong order taken for a failing cloud would keep every
 * other order waiting.
 */
export function asOrderError(error: Ec2Error): Ec2Error {
  const { theirs, status, message } = error
  return isAboutOrder(error) ? Object.assign(new PilotageError('cloud-refused', message), { theirs, status }) : error
}

function isAboutOrder({ theirs, status, message }: Ec2Error): boolean {
  switch (theirs) {
    case 'UnauthorizedOperation':
      return true
    case 'AuthFailure':
      return /not authorized for/i.test(message)
    case 'OptInRequired':
      return /marketplace|accept (?:the )?terms/i.test(message)
    default:
      return !isKnown(theirs) && status >= 400 && status < 500 && status !== 408 && status !== 429
  }
}

const zonal = new Set([
  'InsufficientFreeAddressesInSubnet',
  'InsufficientHostCapacity',
  'InsufficientInstanceCapacity',
  'SpotMaxPriceTooLow',
  'Unsupported',
])

/** Another zone may do what this one does not: it is full, has no addresses, is too dear, or has no such machines. */
export function isZonal(thrown: unknown): thrown is Ec2Error {
  return zonal.has(theirCode(thrown))
}

const expired = new Set(['ExpiredToken', 'ExpiredTokenException', 'RequestExpired', 'TokenRefreshRequired'])

/** The keys are good no more; a chain may have newer ones. */
export function isExpired(thrown: unknown): boolean {
  return expired.has(theirCode(thrown))
}

/** EC2 knows no such instance. */
export function isGone(thrown: unknown): boolean {
  return isEc2Error(thrown) && thrown.code === 'cloud-gone'
}

/** It answered, and in EC2's own form: a proxy's page of HTML has no code of EC2, whatever the SDK makes of it. */
function isAnswer(thrown: Error): thrown is Error & { readonly $metadata?: { readonly httpStatusCode?: number } } {
  return '$fault' in thrown && '$metadata' in thrown && /^[A-Z][\w.]+$/.test(thrown.name)
}

const maxTextLength = 400
/** Encoded refusals, user data, tokens. No word and no id of EC2 has 60 characters. */
const opaque = /[A-Za-z0-9+/=_-]{60,}/g

function worded(message: string): string {
  const text = message.replaceAll(opaque, '(...)').replaceAll(/\s+/g, ' ').trim()
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength)}...`
}
