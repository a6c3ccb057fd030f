/**
 * The demo's jobs: small real computations of two VOs, and three jobs that end otherwise.
 *
 * They need nothing but a POSIX shell and awk. Jobs of several cores share their work out to as many processes as they were
 * granted, and add the parts up; their answers are known, so that the demo can check one.
 */

import { type NewJob, newJob } from '../../client/new-job.ts'

export const demoVos = ['biomed', 'astro'] as const
export type DemoVo = (typeof demoVos)[number]

export type DemoJobs = {
  readonly computations: readonly { readonly vo: DemoVo; readonly spec: NewJob }[]
  readonly failing: NewJob
  /** Would run for ten minutes. */
  readonly long: NewJob
  /** Asks for more cores than any flavor has. */
  readonly impossible: NewJob
}

const computationCount = 216
/** Of eight jobs in a row, this many cores each. */
const coresInTurn = [1, 1, 2, 1, 1, 4, 1, 2] as const
const mib = 1024 * 1024
export const impossibleCores = 64
/** What one of the computations must print. */
export const primesBelow = { limit: 20_000, count: 2262 } as const

const shareOut = (sum: string, part: string): string => `
n=\${PILOTAGE_CORES:-1}; i=0
while [ "$i" -lt "$n" ]; do awk -v n="$n" -v i="$i" '${part}' > "part.$i" & i=$((i + 1)); done
wait
cat part.* | awk '${sum}'`

const computations: readonly { readonly name: string; readonly script: string }[] = [
  {
    name: 'primes',
    script: shareOut(
      '{ s += $1 } END { print s " primes" }',
      `BEGIN { for (p = 2 + i; p < ${primesBelow.limit}; p += n) { k = 1; for (d = 2; d * d <= p; d++) if (p % d == 0) { k = 0; break } c += k } print c + 0 }`,
    ),
  },
  {
    name: 'pi',
    script: shareOut(
      '{ s += $1 } END { printf "pi is about %.5f\\n", 4 * s }',
      'BEGIN { for (k = i; k < 400000; k += n) s += (k % 2 ? -1 : 1) / (2 * k + 1); printf "%.12f\\n", s }',
    ),
  },
  {
    name: 'collatz',
    script: shareOut(
      '$1 > m { m = $1; w = $2 } END { print w " takes " m " steps" }',
      'BEGIN { for (a = 1 + i; a < 6000; a += n) { x = a; c = 0; while (x != 1) { x = x % 2 ? 3 * x + 1 : x / 2; c++ } if (c > m) { m = c; w = a } } print m " " w }',
    ),
  },
  {
    name: 'words',
    script: shareOut(
      '{ c[$1] += $2 } END { for (w in c) print w, c[w] }',
      'BEGIN { split("pilot cloud queue lease", v, " "); x = i + 1; for (k = i; k < 60000; k += n) { x = (x * 16807) % 2147483647; c[v[x % 4 + 1]]++ } for (w in c) print w, c[w] }',
    ),
  },
]

export function demoJobs(): DemoJobs {
  return {
    computations: Array.from({ length: computationCount }, (_, index) => ({
      vo: index % 3 === 0 ? 'astro' : 'biomed',
      spec: computation(index),
    })),
    failing: shellJob('no-input', 'echo "input.dat: no such file" >&2; exit 3', 1),
    long: shellJob('endless', 'i=0; while [ "$i" -lt 600 ]; do sleep 1; i=$((i + 1)); done', 1),
    impossible: shellJob('too-wide', 'echo never', impossibleCores),
  }
}

function computation(index: number): NewJob {
  const { name, script } = computations[index % computations.length] ?? { name: 'none', script: 'exit 1' }
  return shellJob(`${name}-${index + 1}`, script, coresInTurn[index % coresInTurn.length] ?? 1)
}

function shellJob(name: string, script: string, cores: number): NewJob {
  return newJob({
    name,
    executable: '/bin/sh',
    arguments: ['-c', script],
    cores,
    memoryBytes: 128 * mib,
    diskBytes: 16 * mib,
    wallMs: 15 * 60_000,
  })
}
