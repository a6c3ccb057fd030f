#!/usr/bin/env node
/**
 * The one command. `serve`, `facts`, `store` and `context` go to the services, everything else to the client; each is loaded only
 * when it is asked for, and the client is given the way to start a service for the commands that bring their own (demo, replay).
 */

const services = () => import('../services/run/compose.ts')

const [first, ...rest] = process.argv.slice(2)

if (first === 'serve') {
  await (await services()).serve(rest)
} else if (first === 'facts') {
  await (await import('../cli/commands/facts.ts')).facts(rest)
} else if (first === 'store') {
  await (await import('../cli/commands/store.ts')).store(rest)
} else if (first === 'context') {
  await (await import('../cli/commands/context.ts')).context(rest)
} else {
  const { main } = await import('../cli/main.ts')
  await main(process.argv.slice(2), async (options) => (await services()).startService(options))
}
