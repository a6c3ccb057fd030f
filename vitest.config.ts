import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real servers: `npm run test:peers`, which says what is not here.
    exclude: [...configDefaults.exclude, 'test/peers/**'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Most of the time goes to waiting for processes and leases, not to computing: two cores carry more than one file.
    maxWorkers: 3,
  },
})
