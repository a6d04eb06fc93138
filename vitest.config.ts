/**
 * How the tests run: one process for each file, because LevelDB locks its folder, clusters bind
 * ports, and a crash must take no other story with it.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // test/tidy/purity.test.ts links ES modules inside a bare context; Node hides that behind a flag.
    execArgv: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
    // Generous: no test measures time, so a timeout only ever means that something hangs.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
  },
});
