/**
 * Documents of jobs in JSON, YAML and JDL. Of each that is accepted: printed in all three forms it is read as the same
 * jobs, and the service takes from the wire exactly what the client has checked.
 */

import { readFileSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { jobDocument, readJobDocument, specsOf } from '../../../client/job-document.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { writeJob } from '../../../core/language/document.ts'
import { jdlNames } from '../../../core/language/jdl/attributes.ts'
import { printJdl } from '../../../core/language/jdl/print.ts'
import type { Violation } from '../../../core/kernel/errors.ts'
import type { JobSpec } from '../../../core/model/job.ts'
import { rawSpecOf, specToWire } from '../../../proto/codec/specs.ts'
import { JobSpec as WireJob } from '../../../proto/gen/pilotage/v1/job.ts'
import type { Chance } from '../chance.ts'
import { anyJob, anyText, fieldWords } from '../jobs-by-chance.ts'
import { type FuzzTarget, property } from '../target.ts'

const jdlFiles = globSync(join(import.meta.dirname, '../../jdl/*.jdl')).sort()
const jdlSeeds = jdlFiles.map((path) => readFileSync(path, 'utf8'))
/** YAML takes 2 ms per KiB, and 6 where it is nested without end: no more than half of the time that an input may take. */
const yamlBytes = 8 * 1024
const documentBytes = 64 * 1024

function readWell(text: string): number {
  const { jobs } = readJobDocument(text, { acceptDropped: true })
  const specs = specsOf(jobs)
  // A list of thousands of equal jobs shows no more than its beginning.
  for (const spec of specs.slice(0, 3)) holds(spec)
  return specs.length
}

function holds(spec: JobSpec): void {
  const whole = JSON.stringify(spec)
  const same = (text: string): boolean => JSON.stringify(specsOf(readJobDocument(text).jobs)) === `[${whole}]`
  property(same(jobDocument(spec)), 'a job printed as YAML is read as the same job')
  property(same(JSON.stringify(writeJob(spec))), 'a job printed as JSON is read as the same job')
  property(same(printJdl(spec)), 'a job printed as JDL is read as the same job')
  const violations: Violation[] = []
  const sent = withFilesPut(spec)
  const arrived = checkSpec(rawSpecOf(WireJob.decode(WireJob.encode(specToWire(sent)).finish())), 'job', violations)
  property(
    JSON.stringify(arrived) === JSON.stringify(sent),
    `the service takes what the client has checked: ${JSON.stringify(violations)}`,
  )
}

/** A local file has its digest when it has been sent, before its job is. */
export function withFilesPut(spec: JobSpec): JobSpec {
  const { inputFiles } = spec
  if (!inputFiles || inputFiles.length === 0) return spec
  const put = inputFiles.map(({ path, digest, bytes, executable }) => {
    return { path, digest: digest === '' ? 'a'.repeat(64) : digest, bytes, executable }
  })
  return { ...spec, inputFiles: put }
}

function listed(chance: Chance): unknown {
  if (chance.is(0.8)) return anyJob(chance)
  return chance.some(5, () => anyJob(chance))
}

const json: FuzzTarget = {
  name: 'json',
  // Half of its inputs are no JSON any more, and are read as YAML.
  maxBytes: yamlBytes,
  seeds: [
    '{"executable": "a"}',
    '[{"executable": "a", "environment": {"A": "1"}}, {"executable": "b", "cores": {"min": 1}}]',
  ],
  words: fieldWords.map((word) => JSON.stringify(word)),
  make: (chance) => JSON.stringify(listed(chance)),
  run: readWell,
}

const yaml: FuzzTarget = {
  name: 'yaml',
  maxBytes: yamlBytes,
  seeds: [
    'executable: a\narguments:\n  - "b"\n  - |\n    c\n    d\nenvironment: {A: b}\n',
    '- &a {executable: b, sites: {allowed: [c], banned: [d]}}\n- *a\n',
    'executable: >-\n  a\n  b\nmemory: 2GiB # text\nwallTime: 1h30m\n',
  ],
  words: [
    ...fieldWords.map((word) => `\n${word}: `),
    '&a ',
    '*a',
    '!!str ',
    '!!binary ',
    '---\n',
    '...\n',
    '? ',
    '<<: *a',
    '%YAML 1.1\n',
  ],
  make: (chance) =>
    stringify(listed(chance), { defaultStringType: chance.pick(['PLAIN', 'QUOTE_DOUBLE', 'BLOCK_LITERAL']) }),
  run: readWell,
}

const jdl: FuzzTarget = {
  name: 'jdl',
  maxBytes: documentBytes,
  seeds: jdlSeeds,
  words: [
    ...jdlNames.map((name) => `${name} = `),
    ...fieldWords.map((word) => `Pilotage.${word} = `),
    '%s',
    '%n',
    '%j',
    '%(a)s',
  ],
  make: anyJdl,
  run: readWell,
}

export const documentTargets: readonly FuzzTarget[] = [json, yaml, jdl]

function anyJdl(chance: Chance): string {
  const attribute = (): string => {
    const name = chance.is(0.9) ? chance.pick(jdlNames) : anyText(chance)
    return `${name} = ${jdlValue(chance, 3)}${chance.is(0.9) ? ';' : ''}`
  }
  const own = [`Executable = ${jdlValue(chance, 0)};`, ...chance.some(12, attribute)].join(
    chance.pick(['\n', ' ', '\n# a\n']),
  )
  return chance.is(0.5) ? `[${own}]` : own
}

function jdlValue(chance: Chance, depth: number): string {
  const kind = chance.below(depth > 0 ? 8 : 6)
  if (kind === 0) return String(chance.below(1_000_000) * chance.pick([1, 0.5, -1]))
  if (kind === 1) return chance.pick(['true', 'false', 'undefined', 'a.b', '%s', '"%n"', '"%(a)s"'])
  if (kind < 6) return JSON.stringify(anyText(chance))
  const items = chance.some(6, () => jdlValue(chance, depth - 1))
  if (kind === 6) return `{${items.join(', ')}}`
  return `[ ${items.map((item, at) => `a${at} = ${item};`).join(' ')} ]`
}
