import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

/** Keeps one object in twenty of a large piece of work, and tells how much memory the process has before and after. */
const work = (module: string): string => `
  const { giveBackMemory } = await import(${JSON.stringify(module)})
  const kept = []
  for (let i = 0; i < 1_000_000; i++) {
    const object = { name: 'service-' + i, addresses: [String(i), String(i + 1)] }
    if (i % 20 === 0) kept.push(object)
  }
  const before = process.memoryUsage.rss()
  giveBackMemory()
  console.log(JSON.stringify({ freed: before - process.memoryUsage.rss(), kept: kept.length, last: kept.at(-1).name, exposed: typeof globalThis.gc }))
`

it('gives back what a large piece of work left, and keeps what is in use', () => {
  const module = fileURLToPath(new URL('./memory.ts', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', work(module)], { encoding: 'utf8' })
  expect(stderr).toBe('')
  const told = JSON.parse(stdout) as { freed: number; kept: number; last: string; exposed: string }
  expect(told).toMatchObject({ kept: 50_000, last: 'service-999980', exposed: 'undefined' })
  expect(told.freed).toBeGreaterThan(10 * 2 ** 20)
})
