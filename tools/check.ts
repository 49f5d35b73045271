/** `npm run check`: types, lint and format, house rules. */
import { spawnSync } from 'node:child_process'

const steps: readonly (readonly string[])[] = [
  ['node_modules/.bin/tsc', '--noEmit'],
  ['node_modules/.bin/biome', 'check', '.'],
  ['node_modules/.bin/vitest', 'run', '--project', 'unit', 'test/house.test.ts'],
]
for (const [program, ...args] of steps) {
  const { status } = spawnSync(program as string, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
