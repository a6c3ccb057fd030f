/**
 * Renders what a VM gets at its first boot: one cloud-init document that writes the agents' configuration and starts them.
 *
 * Decides where things lie on a VM and which process is its life. Refuses to know which cloud it is for: a real machine's
 * root is `/`, the local cloud's is a directory, and the same text does for both because every path stands behind
 * PILOTAGE_ROOT. What stays true: equal input gives equal text, the activation key stands once and in a 0600 file, nothing
 * is started whose digest was not checked, and the text fits every cloud's user data.
 */

import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { agentPaths, type AgentConfig } from '../core/model/agent-config.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { userDataBytes } from '../core/kernel/limits.ts'
import { quoted, stableJson } from './shell.ts'

/** A one-file program, and where the VM gets it: for now a path on its own disk, as a `file:` URL. */
export type AgentBundle = { readonly source: string; readonly sha256: string }

export type ContextInput = {
  readonly config: AgentConfig
  readonly pilot: AgentBundle
  readonly monitor: AgentBundle
}

type AgentName = 'pilot' | 'monitor'

/**
 * A pilot that ends badly is started again so often, with a pause: a broken one must not spin, nor idle a machine for ever.
 */
const pilotStarts = 5
const pilotPauseSeconds = 2

/** Throws `invalid-argument` for a bundle that no VM could fetch or check, and for a text that is too large. */
export function renderContext(input: ContextInput): string {
  const document = {
    write_files: [
      { path: agentPaths.config, owner: 'root:root', permissions: '0600', content: `${stableJson(input.config)}\n` },
    ],
    runcmd: [...prepare(), ...fetch('pilot', input.pilot), ...fetch('monitor', input.monitor), ...start(input)],
  }
  // cloud-init reads YAML 1.1, where more words than in 1.2 mean something else unless quoted.
  const text = `#cloud-config\n${stringify(document, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })}`
  const bytes = Buffer.byteLength(text)
  if (bytes > userDataBytes) {
    throw new PilotageError('invalid-argument', `rendering a context: it has ${bytes} bytes, a VM takes ${userDataBytes}`)
  }
  return text
}

/** cloud-init makes one shell script of all commands, so a mask and an exit hold for everything after them. */
function prepare(): string[] {
  const directories = ['/run/pilotage', agentPaths.work, '/usr/lib/pilotage']
  return ['umask 077', `mkdir -p ${directories.map(onVm).join(' ')} || exit 1`]
}

/** Copied first and checked then: what is started is what was checked, whatever happens to the source. */
function fetch(agent: AgentName, bundle: AgentBundle): string[] {
  check(agent, bundle)
  const copy = placeOf(agent, bundle)
  return [
    `cp ${quoted(pathOf(bundle) ?? '')} ${copy} || exit 1`,
    `printf '%s  %s\\n' ${bundle.sha256} ${copy} | sha256sum -c - || exit 1`,
  ]
}

/** Where nothing else powers a machine off (`powerOff` is empty), the end of this last command does. */
function start({ pilot, monitor }: ContextInput): string[] {
  const node = `"\${PILOTAGE_NODE:-node}"`
  return [
    "# The pilot in the background, then the monitor, which is the machine's life: with its end the machine ends.",
    `(left=${pilotStarts}; until ${node} ${placeOf('pilot', pilot)}; do left=$((left-1)); [ $left -gt 0 ] || break; ` +
      `echo "the pilot ended badly, $left more starts"; sleep ${pilotPauseSeconds}; done) &`,
    `exec ${node} ${placeOf('monitor', monitor)}`,
  ]
}

/** Nothing for what is no path on the VM, or one that a line of shell cannot hold. */
function pathOf({ source }: AgentBundle): string | undefined {
  if (!source.startsWith('file:///') || !URL.canParse(source)) return undefined
  try {
    const path = fileURLToPath(source)
    return /\p{Cc}/u.test(path) ? undefined : path
  } catch {
    return undefined
  }
}

function placeOf(agent: AgentName, bundle: AgentBundle): string {
  const extension = /\.[cm]?js$/.exec(bundle.source)?.[0] ?? '.js'
  return onVm(`/usr/lib/pilotage/${agent}${extension}`)
}

/** A path of ours as the VM's shell sees it. */
function onVm(path: string): string {
  return `"\${PILOTAGE_ROOT:-}${path}"`
}

function check(agent: AgentName, bundle: AgentBundle): void {
  const { source, sha256 } = bundle
  const violations = []
  if (pathOf(bundle) === undefined) {
    violations.push({
      path: `${agent}.source`,
      value: source,
      rule: 'where the VM gets it',
      accepted: 'file:///absolute/path',
    })
  }
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    violations.push({ path: `${agent}.sha256`, value: sha256, rule: 'a SHA-256 digest', accepted: '64 hexadecimal digits' })
  }
  if (violations.length === 0) return
  throw new PilotageError('invalid-argument', `rendering a context: the ${agent} bundle cannot be used`, { violations })
}
