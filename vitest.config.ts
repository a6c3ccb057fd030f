import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Most of the time goes to waiting for processes and leases, not to computing: two cores carry more than one file.
    maxWorkers: 3,
  },
})
