/**
 * The structure of the source tree: docs/architecture.md's rules on imports and code, held against every file.
 *
 * Each rule names what breaks it with file and line. There are no silent exceptions: what may differ is listed here with its
 * reason, and the list of long functions may only shrink.
 */

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { clockPaths, comparesTimes } from './structure/clocks.ts'
import { functionsOf } from './structure/functions.ts'
import {
  brokenImports,
  exceptions,
  importRules,
  importTable,
  packagePlaces,
  eagerImports,
} from './structure/import-rules.ts'
import { discouragedWords } from './structure/words.ts'
import { isBarrel, linesWith } from './structure/source-text.ts'
import { findCycle, readPaths, readTree, root, type SourceFile } from './structure/tree.ts'

const files = readTree()
/** What people wrote. */
const own = files.filter(({ path }) => !path.startsWith('proto/gen/'))

/** Where `pattern` stands in the code, but for the files that may have it. */
function found(pattern: RegExp, allowed: (path: string) => boolean = () => false): readonly string[] {
  return own
    .filter(({ path }) => !allowed(path))
    .flatMap(({ path, code }) => linesWith(code, pattern).map((line) => `${path}:${line}`))
}

describe('imports', () => {
  test('keep to the table', () => {
    expect(brokenImports(files)).toEqual([])
  })

  test('of services and simulation are made by a command when it runs', () => {
    expect(eagerImports(files)).toEqual([])
  })

  test('are in docs/architecture.md as the rules have them', () => {
    const document = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
    const [, table] = /<!-- import table: begin -->\n([\s\S]*?)\n*<!-- import table: end -->/.exec(document) ?? []
    expect(table, 'run: node test/structure/main.ts').toBe(importTable())
  })

  test('are refused by every rule where a planted file breaks it', () => {
    for (const rule of importRules) {
      const { node, name } = rule
      const path = files.find((file) => importRules.find(({ place }) => place.test(file.path)) === rule)?.path ?? ''
      const planted = (target: object) => brokenImports([{ path, imports: [{ kind: 'type', line: 1, ...target }] }])
      if (name !== 'tests') expect(planted({ file: 'test/support/virtual-clock.ts' }), name).toHaveLength(1)
      expect(planted({ file: 'elsewhere/file.ts' }), name).toHaveLength(1)
      expect(planted({ packageName: 'left-pad' }), name).toHaveLength(1)
      if (node === 'none') expect(planted({ packageName: 'node:fs' }), name).toHaveLength(1)
    }
  })

  test('need few exceptions', () => {
    expect(exceptions.length).toBeLessThanOrEqual(5)
  })

  test('lead to files that are there, named with their ending', () => {
    const paths = new Set(readPaths())
    const missing = files.flatMap(({ path, imports }) =>
      imports.flatMap(({ file, line }) =>
        file === undefined || paths.has(file) || !file.includes('/') ? [] : [`${path}:${line} imports ${file}`],
      ),
    )
    expect(missing).toEqual([])
  })

  test('go in no circle', () => {
    expect(findCycle(files)).toBeUndefined()
  })

  test('need every rule and every package that is listed', () => {
    const idle = importRules.filter(({ place }) => !files.some(({ path }) => place.test(path))).map(({ name }) => name)
    expect(idle).toEqual([])
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: object
      optionalDependencies: object
    }
    const vendors = Object.keys(packagePlaces).filter((name) => !name.startsWith('node:'))
    // Node itself is a package for each platform: it runs the code, and no file imports it.
    const imported = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !/^node-linux-/.test(name))
    expect(vendors.sort()).toEqual(imported.sort())
  })

  test('are never gathered in barrels', () => {
    expect(own.filter(isBarrel).map(({ path }) => path)).toEqual([])
  })
})

describe('comparisons of times', () => {
  const document = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  const named = new Set(clockPaths(document))
  const comparing = own.filter(comparesTimes).map(({ path }) => path)

  test('stand in the clock table of docs/architecture.md', () => {
    expect(comparing.filter((path) => !named.has(path))).toEqual([])
  })

  test('are where the table says', () => {
    const paths = new Set(readPaths())
    expect([...named].filter((path) => !paths.has(path))).toEqual([])
  })

  test.each([
    ['if (nowMs >= vm.endByMs) return', true],
    ['const rest = Math.max(0, untilMs - leftMs)', true],
    ['if (clock.monotonicMs() > endMs) throw late', true],
    ['find({ at: { $lt: endedBeforeMs } })', true],
    ['assert(leaseMarginMs > stopGraceMs)', false],
    ['const whole = leaseMs + marginMs', false],
    ['const atMs = clock.nowMs()', false],
  ])('are found: %s', (code, is) => {
    expect(comparesTimes({ path: 'services/jobs/planted.ts', code })).toBe(is)
  })
})

/** Programs of their own: they read the environment, hear signals and set the exit code. No other file does. */
const isProgram = (path: string): boolean =>
  /\/main\.ts$/.test(path) ||
  [
    'cli/process.ts',
    'test/check.ts',
    'bench/adapter.mjs',
    'bin/link-node.mjs',
    'bench/bulk-kill.ts',
    'bench/claims.ts',
    'bench/job-filters.ts',
  ].includes(path)

describe('what a process is given', () => {
  test('time only by core/kernel/clock.ts', () => {
    const pattern = /\b(?:setTimeout|setInterval|setImmediate)\b|\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/
    expect(found(pattern, (path) => path === 'core/kernel/clock.ts')).toEqual([])
  })

  test('chance only by core/kernel/random.ts', () => {
    const pattern = /\bMath\.random\b|\bgetRandomValues\b|\brandomUUID\b|\brandomBytes\b|\brandomInt\b/
    expect(found(pattern, (path) => path === 'core/kernel/random.ts')).toEqual([])
  })

  test('environment, signals and exit code only in programs', () => {
    expect(found(/\bprocess\.(?:env|on|once|exit|exitCode)\b/, isProgram)).toEqual([])
  })
})

describe('code', () => {
  test('has no default exports but where a tool wants one', () => {
    expect(found(/\bexport\s+default\b|\bas\s+default\b/, (path) => path === 'bench/adapter.mjs')).toEqual([])
  })

  test('has no any and no enum', () => {
    // The linter sees the rest: a scanner cannot distinguish a type's `any` from a value of that name in an object.
    expect(found(/(?:\bas|[<|&]|:)\s*any\s*(?:\[\]|[)>=;])/)).toEqual([])
    expect(found(/^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\b/m)).toEqual([])
  })

  test('has classes only where something is owned', () => {
    // An error is known by its class; the agent owns timers, a running payload a process. gRPC's credentials are its class.
    const owners = [
      'core/kernel/errors.ts',
      'agents/pilot/agent.ts',
      'agents/pilot/payload.ts',
      'services/api/grpc/credentials.ts',
    ]
    expect(found(/^\s*(?:export\s+)?(?:abstract\s+)?class\s+\w/m, (path) => owners.includes(path))).toEqual([])
  })

  test('promises nothing for later', () => {
    const word = new RegExp(`\\b(?:${['TODO', 'FIXME', 'XXX', 'HACK'].join('|')})\\b`)
    const late = own.flatMap(({ path, comments }) => linesWith(comments, word).map((line) => `${path}:${line}`))
    expect(late).toEqual([])
  })

  test('keeps ports free of it', () => {
    // The log that says nothing is the one thing that every user of the port would write again.
    const ports = own.filter(({ path }) => path.startsWith('core/ports/') && path !== 'core/ports/log.ts')
    const running = ports.filter(({ code }) => /^export\s+(?:async\s+)?(?:function|const|let|class)\b/m.test(code))
    expect(running.map(({ path }) => path)).toEqual([])
  })
})

const maxLines = 400
const maxTestLines = 600
const maxFunctionLines = 70

/**
 * Longer than they should be, each with the length that it has: none may grow, none may join, and one that has become short
 * leaves. Factories, whose inner functions share what they close over.
 */
const longFunctions: Readonly<Record<string, number>> = {
  'bench/adapter.mjs pilot': 77,
  'services/matcher/matcher.ts matcher': 88,
  'services/matcher/waiting-index.ts waitingIndex': 110,
  'test/unit/agents/pilot.test.ts newWorld': 105,
  'test/unit/client/fake-service.ts startFakeService': 174,
  'test/unit/director/world.ts openWorld': 106,
  'sim/fake-cloud.ts fakeCloud': 106,
}

function lengthText([name, lines]: readonly [string, number]): string {
  return `${name}: ${lines} lines`
}

function isTest({ path }: Pick<SourceFile, 'path'>): boolean {
  return path.startsWith('test/')
}

describe('size', () => {
  test('of a file', () => {
    const long = own.filter((file) => file.lineCount > (isTest(file) ? maxTestLines : maxLines))
    expect(long.map(({ path, lineCount }) => `${path}: ${lineCount}`)).toEqual([])
  })

  test('of a function', () => {
    const long = own.flatMap((file) =>
      functionsOf(file.code)
        .filter(({ lines }) => lines > maxFunctionLines)
        // A list of tests may be as long as it needs.
        .filter(({ body }) => !(isTest(file) && /\b(?:describe|test|it)(?:\.\w+)*\s*[(`]/.test(body)))
        .map(({ name, lines }) => [`${file.path} ${name}`, lines] as const),
    )
    expect(long.filter(([name, lines]) => lines > (longFunctions[name] ?? maxFunctionLines)).map(lengthText)).toEqual([])
    const names = new Set<string>(long.map(([name]) => name))
    expect(Object.keys(longFunctions).filter((name) => !names.has(name))).toEqual([])
  })
})

describe('kinds of clouds', () => {
  const kinds = readPaths().flatMap(
    (path) => /^services\/adapters\/cloud\/(?!kit\/)([^/]+)\/driver\.ts$/.exec(path)?.[1] ?? [],
  )
  const named = new RegExp(`\\b(?:kind|Kind)\\b[^\\n]*'(?:${kinds.join('|')})'|case '(?:${kinds.join('|')})':`)
  /** The notice of a spot interruption has a kind of its own, and a method of delivery is no kind of a cloud. */
  const other = /interruption|traits\.interruption/

  test('are asked for by name in the folder of the driver alone', () => {
    const asking = own.filter(({ path }) => /^(?:core|services|contextualization|cli\/commands)\//.test(path))
    const outside = asking.filter(({ path }) => !path.startsWith('services/adapters/cloud/'))
    const lines = outside.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, at) => (named.test(line) && !other.test(line) ? [`${path}:${at + 1}`] : [])),
    )
    expect(kinds.length).toBeGreaterThan(4)
    expect(lines).toEqual([])
  })

  test('are imported by the registry alone', () => {
    const driver = new RegExp(`^services/adapters/cloud/(?:${kinds.join('|')})/`)
    const importing = own.filter(({ path }) => /^(?:core|services|cli|sim|bin)\//.test(path) && !driver.test(path))
    const found = importing.flatMap(({ path, imports }) =>
      imports.flatMap(({ file = '' }) => (driver.test(file) ? [path] : [])),
    )
    expect([...new Set(found)]).toEqual(['services/run/drivers.ts'])
  })

  test('stand in the registry, one line each', () => {
    const registry = own.find(({ path }) => path === 'services/run/drivers.ts')?.text ?? ''
    expect(kinds.filter((kind) => !registry.includes(`/${kind}/driver.ts'`))).toEqual([])
  })
})

/** As in biome.json, which does not wrap comments. */
const codeWidth = 125

describe('names and headers', () => {
  test('files are in kebab-case', () => {
    const shape = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|config))?\.[a-z]+$/
    // The names of google.rpc are its own, and Python imports no module with a hyphen.
    const named = readPaths().filter((path) => !/^(?:proto\/(?:gen\/)?google|client\/python)\//.test(path))
    expect(named.filter((path) => !shape.test(path.slice(path.lastIndexOf('/') + 1)))).toEqual([])
  })

  test('files are named after what they are about', () => {
    const empty = /(?:[/-](?:utils?|helpers?|common|managers?|misc|impl)|\/(?:index|types))\.[^/]*$/
    expect(readPaths().filter((path) => empty.test(path))).toEqual([])
  })

  test('comments keep the width of the code', () => {
    const comment = /^ *(?:\/\/|\*|\/\*)/
    const lines = own.flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, at) => ([...line].length > codeWidth && comment.test(line) ? [`${path}:${at + 1}`] : [])),
    )
    expect(lines).toEqual([])
  })

  test('each file says first what it is', () => {
    // A test's own names say what it is about.
    const silent = own.filter(({ path, text }) => {
      if (path.endsWith('.test.ts')) return false
      const header = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? ''
      return header.replace(/[\s*]+/g, ' ').trim().length < 40
    })
    expect(silent.map(({ path }) => path)).toEqual([])
  })
})

/** The count may only fall: it was 1867 when the list was made. */
const maxDiscouraged = 9

describe('words', () => {
  test('are those that a reader need not guess', () => {
    const lists = /^test\/structure/
    const paths = [...readPaths(), ...globSync(['docs/**/*.md', '*.md'], { cwd: root })].filter(
      (path) => /\.(?:ts|mjs|md|proto|css)$/.test(path) && !path.startsWith('proto/gen/') && !lists.test(path),
    )
    const counts = paths.map((path) => [discouragedWords(readFileSync(join(root, path), 'utf8')), path] as const)
    const count = counts.reduce((sum, [more]) => sum + more, 0)
    const most = counts.toSorted(([a], [b]) => b - a).slice(0, 10)
    expect(
      count,
      `the files with most of them: ${most.map(([more, path]) => `${path} ${more}`).join(', ')}`,
    ).toBeLessThanOrEqual(maxDiscouraged)
  })
})
