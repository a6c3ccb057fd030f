/**
 * Renders the document that a VM of a cloud gets, without creating the VM, by the function that renders it for real VMs. The
 * activation key is left out, so that the document can be shown, checked and filed. The size is compared with what the cloud
 * accepts; the caller decides what a document that is too large means.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleAgents } from '../../agents/bundle.ts'
import { sizeAt, sizeText } from '../../contextualization/size.ts'
import { systemClock } from '../../core/kernel/clock.ts'
import { hostPort } from '../../core/kernel/endpoints.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Offering } from '../../core/model/cloud.ts'
import { servedNodes } from '../api/http/agent-files.ts'
import type { CloudConfig } from '../config/clouds.ts'
import { exampleKey, exampleVm } from '../context/size-check.ts'
import { vmContext } from '../context/vm-context.ts'
import { readConfigFile } from './configuration.ts'
import { contextSources } from './context-sources.ts'
import { readSecretsFor } from './ports.ts'

export type PreviewOptions = {
  readonly configFile: string
  readonly cloud: string
  /** The cloud's first where absent. */
  readonly image?: string
  readonly flavor?: string
  /** For a squid at the cloud's site instead of a worker. */
  readonly squid: boolean
  /** As the plain script for images without cloud-init. */
  readonly script: boolean
}

export type Preview = {
  readonly text: string
  readonly size: { readonly text: string; readonly isTooLarge: boolean }
}

/** Throws `not-found` and `invalid-argument`. */
export async function previewContext(options: PreviewOptions): Promise<Preview> {
  const config = readConfigFile(options.configFile)
  const cloud = config.clouds.find(({ name }) => name === options.cloud)
  if (!cloud) throw new PilotageError('not-found', `there is no cloud ${options.cloud}`)
  const offering = chosenOffering(cloud, options)
  const { caPem, contextTexts: texts } = readSecretsFor({ ...config, clouds: [] }, ['director'], {})
  const { host, port, advertise } = config.context.agents
  const { grpc } = config
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-context-'))
  try {
    const nodes = cloud.traits.isOnThisMachine ? undefined : await servedNodes(config.context.agents.nodes)
    const agents = { ...(await bundleAgents(dir)), nodes }
    const endpoint = grpc.advertise.join() || hostPort(grpc.host, grpc.port)
    const bases = advertise.length > 0 ? advertise : [`http://${hostPort(host, port)}`]
    const sources = contextSources({ config, agents, texts, caPem, dataDir: '', endpoint, bases })
    const vm = exampleVm(systemClock().nowMs() + config.vm.maxLifetimeMs)
    const { text, limit, carrier } = vmContext({ vm, offering, squids: [], asScript: options.script }, sources)
    const size = sizeAt(limit, text)
    return {
      text: text.replace(exampleKey, 'LEFT-OUT'),
      size: { text: `for ${carrier}: ${sizeText(size)}`, isTooLarge: size.bytes > size.maxBytes },
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function chosenOffering({ name, offerings }: CloudConfig, { image, flavor, squid }: PreviewOptions): Offering {
  const found = offerings.find((one) => (image ?? one.image) === one.image && (flavor ?? one.flavor) === one.flavor)
  if (!found) throw new PilotageError('not-found', `cloud ${name} has no offering with this flavor and image`)
  return squid ? { ...found, service: 'squid' } : found
}
