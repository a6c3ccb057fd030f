/** What the driver of a kind of cloud brings to the configuration: its keys, its defaults and its own checks. */

import type { Violations } from '../../core/kernel/violations.ts'
import type { Reader } from './fields.ts'
import type { NamedByCloud, RawFlavor, RawImage } from './flavors.ts'

/**
 * What a driver of a cloud adds to the configuration: the keys under the name of its kind, and the rules that hold for its
 * clouds.
 */
export type DriverSchema<Raw extends object = object, Options extends object = object> = {
  readonly keys: Reader<Raw>
  /** Flavors of a cloud that names none; absent: a cloud must name some. */
  readonly flavors?: readonly RawFlavor[]
  /** Images of a cloud that names none; absent: a cloud must name some. */
  readonly images?: readonly RawImage[]
  /** What one key alone cannot say. `path`: of the cloud. */
  check(raw: Raw, cloud: NamedByCloud, path: string, violations: Violations): void
  /** `placed`: where a file lies that is named. */
  compile(raw: Raw, placed: (file: string) => string): Options
}
