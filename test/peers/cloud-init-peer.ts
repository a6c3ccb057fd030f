/**
 * The real cloud-init, as far as it reads documents without being on a machine that boots: its own check of a cloud-config,
 * and what it makes of user data in several parts. Nothing of it is started as a service, and nothing of this machine is
 * changed.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Place } from './peer.ts'

export type CloudInit = {
  /** Everything that `cloud-init schema` has to say against a document, deprecations included; empty: nothing. */
  schema(document: string): Promise<string>
  /** The same of each, in one process: where each is one there are minutes in a hundred. */
  schemas(documents: readonly string[]): Promise<readonly string[]>
  /**
   * What a machine works with in the end, as it would lie in cloud-config.txt: all parts merged; and the other parts, by
   * type.
   */
  parts(userData: string): Promise<{ readonly config: string; readonly others: readonly (readonly [string, string])[] }>
}

const runMs = 60_000

export function openCloudInit({ place, dir, clock }: { place: Place; dir: string; clock: Clock }): CloudInit {
  if (place.kind === 'url') throw new Error('cloud-init is a program')
  const { program } = place
  // Where test/peers/install has put it; of a system that has it installed there is no such folder, and none is needed.
  const packages = join(dirname(program), 'cloud-init-tree/usr/lib/python3/dist-packages')
  const withFile = async <T>(text: string, use: (path: string) => Promise<T>): Promise<T> => {
    const home = mkdtempSync(join(dir, 'cloud-init-'))
    try {
      writeFileSync(join(home, 'user-data'), text)
      return await use(join(home, 'user-data'))
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }
  return {
    schema: (document) =>
      withFile(document, async (path) => {
        const { code, output } = await run(clock, program, ['schema', '--config-file', path], {})
        return objections(code, output)
      }),
    schemas: (documents) =>
      withFile(JSON.stringify(documents), async (path) => {
        const { code, output } = await run(clock, '/usr/bin/python3', ['-c', runSchemas, path], { PYTHONPATH: packages })
        if (code !== 0) throw new Error(`cloud-init's schema: exit code ${code}: ${output}`)
        const ended: readonly Ended[] = JSON.parse(output)
        return ended.map((one) => objections(one.code, one.output))
      }),
    parts: (userData) =>
      withFile(userData, async (path) => {
        const { code, output } = await run(clock, '/usr/bin/python3', ['-c', readParts, path], { PYTHONPATH: packages })
        if (code !== 0) throw new Error(`cloud-init's parts: exit code ${code}: ${output}`)
        return JSON.parse(output.slice(output.lastIndexOf('{"config"')))
      }),
  }
}

/** Its one line for a document that is as it should be. Whatever else it writes is an error or a warning. */
function objections(code: number, output: string): string {
  const said = output.replace(/^Valid cloud-config: \S+\n?$/m, '').trim()
  return code === 0 && said === '' && output !== '' ? '' : `exit code ${code}: ${output}`
}

/** Its own command, again and again. */
const runSchemas = `
import contextlib, io, json, sys
from cloudinit.cmd.main import main
results = []
for text in json.load(open(sys.argv[1])):
    path = sys.argv[1] + '.document'
    with open(path, 'w', encoding='utf-8', newline='') as file: file.write(text)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try: code = main(['cloud-init', 'schema', '--config-file', path]) or 0
        except SystemExit as ended: code = 0 if ended.code is None else ended.code
    results.append({'code': code if isinstance(code, int) else 1, 'output': said.getvalue() + (code if isinstance(code, str) else '')})
print(json.dumps(results))
`

/** What its own boot stage does with user data, without a machine: taken apart, templates rendered, cloud-configs merged. */
const readParts = `
import json, sys
from cloudinit import helpers, util, handlers, user_data
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.handlers.jinja_template import JinjaTemplatePartHandler
from cloudinit.settings import PER_ALWAYS
message = user_data.UserDataProcessor(helpers.Paths({})).process(open(sys.argv[1], 'rb').read())
facts = sys.argv[1] + '.facts'
open(facts, 'w').write(json.dumps({'v1': {'cloud_name': 'a-cloud'}, 'base64_encoded_keys': []}))
class Paths:
    def get_ipath(self, name): return '/dev/null'
    def get_runpath(self, name=None): return facts
util.write_file = lambda path, text, *args, **kw: setattr(sys, 'merged', text)
merger = CloudConfigPartHandler(Paths())
template = JinjaTemplatePartHandler(Paths(), sub_handlers=[merger])
others = []
merger.handle_part(None, handlers.CONTENT_START, None, None, PER_ALWAYS, None)
for part in message.walk():
    if part.is_multipart(): continue
    kind, body = part.get_content_type(), util.decode_binary(util.fully_decoded_payload(part))
    rest = (kind, part.get_filename(), body, PER_ALWAYS, dict(part))
    if kind in ('text/cloud-config', 'text/cloud-config-jsonp'): merger.handle_part(None, *rest)
    elif kind == 'text/jinja2': template.handle_part(None, *rest)
    else: others.append([kind, body])
merger.handle_part(None, handlers.CONTENT_END, None, None, PER_ALWAYS, None)
print(json.dumps({'config': sys.merged, 'others': others}))
`

type Ended = { readonly code: number; readonly output: string }

function run(clock: Clock, program: string, args: readonly string[], variables: Record<string, string>): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', TZ: 'UTC', ...variables }
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = clock.after(runMs, () => child.kill('SIGKILL'))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece: Buffer) => {
        output += piece.toString()
      })
    }
    child.on('error', (error) => {
      timer.cancel()
      reject(error)
    })
    child.on('close', (code) => {
      timer.cancel()
      resolve({ code: code ?? -1, output })
    })
  })
}
