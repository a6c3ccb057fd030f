/** The configuration of an installation that knows the clouds of the registry. */

import { configReader } from '../config/document.ts'
import { drivers } from './drivers.ts'

export const { compileConfig, readConfigFile, jsonSchema } = configReader(drivers)
