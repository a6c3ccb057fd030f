/**
 * `npm run bench -- NAME [ARGUMENT...]`: one of the measurements of this folder, with its own arguments. Without a name it
 * prints the names; what each measures stands at the head of its file.
 */

const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  'bulk-kill': () => import('./bulk-kill.ts'),
  claims: () => import('./claims.ts'),
  dependencies: () => import('./dependencies.ts'),
  'job-filters': () => import('./job-filters.ts'),
  listing: () => import('./listing.ts'),
  queues: () => import('./queues.ts'),
  scale: () => import('./scale.ts'),
}

const [name = ''] = process.argv.splice(2, 1)
const program = programs[name]
if (program) await program()
else {
  console.error(`usage: npm run bench -- NAME [ARGUMENT...], NAME one of ${Object.keys(programs).join(', ')}`)
  process.exitCode = 2
}
