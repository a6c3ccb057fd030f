/**
 * The wrong-input scenario: everything that people, programs and thieves can get wrong, against a service as a process.
 *
 * Every case asserts the code and the text of its refusal, and that jobs, facts, VMs, counts and outputs are as before. The
 * cases themselves stand in test/support/wrong-input, where the quick test has them too; here the command is tried as well.
 */

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programLine } from '../support/program.ts'
import { type ServiceFiles, serviceFiles, startServiceProcess } from '../support/service-process.ts'
import type { Case, Refusal } from '../support/wrong-input/case.ts'
import { type Tried, tryCase, wrongInputCases } from '../support/wrong-input/trial.ts'
import { makeWorld, pictureOf, unmakeWorld, type World, worldConfig } from '../support/wrong-input/world.ts'
import { promised, type Scenario, type Stage } from './scenario.ts'

const longMs = 1000

export const wrongInput: Scenario = {
  name: 'wrong-input',
  about: 'every kind of wrong input is refused by name and changes nothing',
  async run(stage) {
    const config = { ...worldConfig, grpc: { port: 0 }, dashboard: { port: 0 } }
    const files = serviceFiles(stage.dir, config)
    const service = startServiceProcess(stage.clock, files)
    const server = await service.serving()
    const token = readFileSync(join(files.dataDir, 'admin.token'), 'utf8').trim()
    const world = await makeWorld(stage.clock, files.dataDir, server, token)
    const tried = await tryAll(stage, world, [...wrongInputCases, ...commandCases(stage.dir, files)])
    world.close()
    const exit = await service.ended('SIGTERM')
    await unmakeWorld(world)
    const refused = tried.filter(({ wasRefused }) => wasRefused).length
    const changed = tried.filter(({ hasChanged }) => hasChanged).length
    return {
      figures: { cases: tried.length, refused, changed, wrong: tried.filter(({ wrong }) => wrong.length > 0).length },
      shortfalls: [
        ...tried.flatMap(({ name, wrong }) => wrong.map((what) => `${name}: ${what}`)),
        ...promised(refused === tried.length, `${tried.length - refused} cases were not refused`),
        ...promised(exit === 0, `the service ended with ${exit}`),
      ],
    }
  },
}

async function tryAll({ clock, say }: Stage, world: World, cases: readonly Case[]): Promise<readonly Tried[]> {
  const all: Tried[] = []
  let picture = await pictureOf(world)
  for (const one of cases) {
    const beginMs = clock.monotonicMs()
    const { tried, after } = await tryCase(world, one, picture)
    picture = after
    all.push(tried)
    const tookMs = Math.round(clock.monotonicMs() - beginMs)
    if (tookMs > longMs) say(`${one.name}: took ${tookMs} ms`)
  }
  return all
}

/** The command as a user has it: exit code 1, the reason where people read it, and no stack. */
function commandCases(dir: string, { dataDir }: ServiceFiles): readonly Case[] {
  const tokenFile = join(dataDir, 'admin.token')
  const submit = (name: string, text: string | Buffer, said: RegExp): Case => ({
    name: `pilotage submit of ${name}`,
    attempt: ({ server }) => submitted(dir, text, { PILOTAGE_SERVER: server, PILOTAGE_TOKEN_FILE: tokenFile }),
    code: 'exit 1',
    text: said,
  })
  return [
    submit('bad YAML', 'executable: [unclosed', /cannot be read.*line 1/s),
    submit('bytes that are no text', Buffer.from([0xff, 0xfe, 0x00]), /UTF-16 text; accepted: UTF-8/),
    submit('a list of a million elements', `[${'1,'.repeat(999_999)}1]`, /1000000 fields are wrong/),
    submit('a job that is wrong in two fields', 'executable: ""\npriority: 12', /executable.*priority/s),
    submit('17 MiB', 'x'.repeat(17 * 1024 * 1024), /too large/),
  ]
}

function submitted(dir: string, text: string | Buffer, environment: Record<string, string>): Promise<Refusal> {
  const file = join(dir, 'jobs.yaml')
  writeFileSync(file, text)
  const child = spawn(process.execPath, programLine('submit', file), { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      said += piece
    })
  }
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      const hasStack = /\n\s+at .*:\d+:\d+/.test(said)
      const ending = code === 0 ? 'accepted' : hasStack ? 'a stack' : `exit ${code ?? signal}`
      resolve({ code: ending, text: said, violations: [] })
    })
  })
}
