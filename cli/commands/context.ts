/**
 * `pilotage context render`: what a VM of a cloud would be told, without making one. The activation key is left out, so that
 * the document can be shown, checked and filed; its size goes to standard error, against what the cloud takes. Exit codes: 0
 * done, 1 failed or too large, 2 wrong usage.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundleAgents } from '../../agents/bundle.ts'
import { plainScript } from '../../contextualization/machine.ts'
import { sizeAt, sizeText } from '../../contextualization/size.ts'
import type { Offering } from '../../core/model/cloud.ts'
import { hostPort } from '../../core/kernel/endpoints.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import { servedNodes } from '../../services/api/http/agent-files.ts'
import { type Config, readConfigFile } from '../../services/config/document.ts'
import {
  carrierOf,
  type ContextSources,
  contextOf,
  exampleAgent,
  exampleKey,
  lentClouds,
  localContext,
  machineDocument,
} from '../../services/context/contexts.ts'
import { readSecretsFor } from '../../services/run/ports.ts'

const usage = `pilotage context render --config FILE --cloud NAME [options]   writes what a VM there would be told

  --image NAME    the image (the cloud's first)
  --flavor NAME   the flavor (the cloud's first)
  --squid         a squid that is kept at the cloud's site, in place of a worker
  --script        as the plain script for images without cloud-init
`

const options = {
  config: { type: 'string' },
  cloud: { type: 'string' },
  image: { type: 'string' },
  flavor: { type: 'string' },
  script: { type: 'boolean', default: false },
  squid: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

type Order = { config: string; cloud: string; image?: string; flavor?: string; script: boolean; squid: boolean }

export async function context(argv: readonly string[]): Promise<void> {
  const order = read(argv)
  if (!order) return
  try {
    process.stdout.write(await rendered(readConfigFile(order.config), order))
  } catch (thrown) {
    const error = asPilotageError(thrown, 'rendering a context')
    const details = error.violations.map(({ path, value, rule, accepted }) => `\n  ${path}: ${value}: ${rule}; ${accepted}`)
    process.stderr.write(`pilotage: ${error.code}: ${error.message}${details.join('')}\n`)
    process.exitCode = 1
  }
}

/** Undefined where there is nothing to do any more: help was given, or wrong usage told. */
function read(argv: readonly string[]): Order | undefined {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    if (values.help) {
      process.stdout.write(usage)
      return undefined
    }
    const { config, cloud } = values
    if (positionals.join() !== 'render') throw new Error('render?')
    if (config === undefined || cloud === undefined) throw new Error('--config and --cloud are needed')
    return { ...values, config, cloud }
  } catch (error) {
    process.stderr.write(`pilotage: ${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exitCode = 2
    return undefined
  }
}

async function rendered(config: Config, order: Order): Promise<string> {
  const cloud = config.clouds.find(({ name }) => name === order.cloud)
  if (!cloud) throw new PilotageError('not-found', `there is no cloud ${order.cloud}`)
  const found = cloud.offerings.find(
    ({ image, flavor }) => (order.image ?? image) === image && (order.flavor ?? flavor) === flavor,
  )
  if (!found) throw new PilotageError('not-found', `cloud ${cloud.name} has no such flavor and image`)
  const offering: Offering = order.squid ? { ...found, service: 'squid' } : found
  const { caPem, contextTexts } = readSecretsFor({ ...config, clouds: [] }, ['director'], {})
  const agent = exampleAgent(config, cloud, offering, caPem)
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-context-'))
  try {
    const agents = await bundleAgents(dir)
    if (cloud.driver.kind === 'local') return localContext(agent, agents).replace(exampleKey, 'LEFT-OUT')
    const { host, port, advertise } = config.context.agents
    const nodes = await servedNodes(config.context.agents.nodes)
    const bases = advertise.length > 0 ? advertise : [`http://${hostPort(host, port)}`]
    const sources: ContextSources = {
      context: config.context,
      agents: { ...agents, nodes },
      texts: contextTexts,
      bases,
      squids: [],
      lent: lentClouds(config),
    }
    // The way that it is delivered to a machine without cloud-init is no cloud's.
    const kind = order.script ? 'ssh' : carrierOf(cloud.driver.kind, offering, config.context)
    const text = order.script ? plainScript(contextOf(agent, offering, sources)) : machineDocument(agent, offering, sources)
    const size = sizeAt(kind, text)
    process.stderr.write(`pilotage: for a cloud of kind ${kind}: ${sizeText(size)}\n`)
    if (size.bytes > size.most) process.exitCode = 1
    return text.replace(exampleKey, 'LEFT-OUT')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
