/**
 * `npm run test:clients`: clients in other languages against the service, each as a user would write or start it. A program
 * in Python that knows no .proto file, our package for Python, grpcurl, and a program in Go with stubs from the tree.
 *
 * `test/clients/install` gets them. A client that is absent is named as not run; with REQUIRE_TOOLS=1 that is a failure.
 * Ends with one line, and with 1 where a check failed.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../core/kernel/clock.ts'
import { serviceFiles, startServiceProcess } from '../support/service-process.ts'
import { tryGrpcurl } from './grpcurl.ts'
import { tryPackage } from './package.ts'

const root = join(import.meta.dirname, '../..')
const kept = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'pilotage/clients')
const programs = {
  python: join(kept, 'python/bin/python'),
  'python-build': join(kept, 'python-build/bin/python'),
  wheelhouse: join(kept, 'wheelhouse'),
  grpcurl: join(kept, 'grpcurl'),
  go: join(kept, 'go'),
  'protoc-gen-go': join(kept, 'protoc-gen-go'),
  'protoc-gen-go-grpc': join(kept, 'protoc-gen-go-grpc'),
}
type Program = keyof typeof programs
const programMs = 240_000
const clock = systemClock()

type Target = { readonly server: string; readonly tokenPath: string; readonly dir: string }
/** Whether all of its checks hold; each says so itself. */
type Client = {
  readonly name: string
  readonly needs: readonly Program[]
  attempt(target: Target): boolean | Promise<boolean>
}

const clients: readonly Client[] = [
  {
    name: 'python',
    needs: ['python'],
    attempt: ({ server, tokenPath }) => runs(programs.python, [join(import.meta.dirname, 'client.py'), server, tokenPath]),
  },
  {
    name: 'package',
    needs: ['python-build', 'wheelhouse'],
    attempt: ({ dir }) =>
      tryPackage({ dir, builder: programs['python-build'], wheelhouse: programs.wheelhouse, runs, clock }),
  },
  {
    name: 'grpcurl',
    needs: ['grpcurl'],
    attempt: ({ server, tokenPath }) => tryGrpcurl(programs.grpcurl, server, tokenPath),
  },
  {
    name: 'go',
    needs: ['go', 'protoc-gen-go', 'protoc-gen-go-grpc'],
    attempt: ({ server, tokenPath, dir }) =>
      generatesStubs(dir) &&
      runs(programs.go, ['vet', './...'], dir) &&
      runs(programs.go, ['build', '-o', join(dir, 'client'), '.'], dir) &&
      runs(join(dir, 'client'), [server, tokenPath]),
  },
]

const beginMs = clock.monotonicMs()
const dir = mkdtempSync(join(tmpdir(), 'pilotage-clients-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
process.exitCode = await run()

async function run(): Promise<number> {
  const files = serviceFiles(dir, { grpc: { port: 0 }, dashboard: { port: 0 }, clouds: [] })
  const service = startServiceProcess(clock, files)
  const verdicts = new Map<string, Verdict>()
  try {
    const server = await service.serving()
    const target = { server, tokenPath: join(files.dataDir, 'admin.token') }
    for (const client of clients) {
      const own = join(dir, client.name)
      verdicts.set(client.name, await verdictOf(client, { ...target, dir: own }))
    }
  } finally {
    await service.ended('SIGTERM')
  }
  const given = [...verdicts.values()]
  const isWrong = given.includes('FAILED') || (given.includes('NOT-RUN') && process.env.REQUIRE_TOOLS === '1')
  const result = isWrong ? 'FAILED' : given.includes('NOT-RUN') ? 'INCOMPLETE' : 'ok'
  const seconds = Math.round((clock.monotonicMs() - beginMs) / 1000)
  console.log(`clients: ${[...verdicts].map((pair) => pair.join('=')).join(' ')} seconds=${seconds} result=${result}`)
  return isWrong ? 1 : 0
}

type Verdict = 'ok' | 'FAILED' | 'NOT-RUN'

async function verdictOf({ name, needs, attempt }: Client, target: Target): Promise<Verdict> {
  const absent = needs.filter((program) => !existsSync(programs[program]))
  console.log(`${name}:`)
  if (absent.length === 0) return (await attempt(target)) ? 'ok' : 'FAILED'
  console.log(`not run: ${absent.join(', ')} not in ${kept}; test/clients/install gets it`)
  return 'NOT-RUN'
}

/** From the .proto files of the tree, as `buf generate` does it for users of Go. */
function generatesStubs(dir: string): boolean {
  cpSync(join(import.meta.dirname, 'go'), dir, { recursive: true })
  const plugins = (['protoc-gen-go', 'protoc-gen-go-grpc'] as const).map((program) => {
    return { local: programs[program], out: dir, opt: 'module=pilotage' }
  })
  // The module is called as the option `go_package` begins: the stubs are its package pilotage/v1.
  const template = JSON.stringify({ version: 'v2', plugins })
  return runs(join(root, 'node_modules/.bin/buf'), ['generate', 'proto', '--path', 'proto/pilotage', '--template', template])
}

function runs(program: string, args: readonly string[], cwd = root, more: NodeJS.ProcessEnv = {}): boolean {
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-buildvcs=false', ...more }
  const { status, error } = spawnSync(program, args, {
    cwd,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: programMs,
  })
  if (status === 0) return true
  console.log(`FAILED  ${program} ${args[0]}: ${error?.message ?? `exit code ${status}`}`)
  return false
}
