import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { startTicksOf, withLock } from './processes.ts'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-lock-'))
  path = join(folder, 'lock')
})
afterEach(() => rm(folder, { recursive: true }))

const options = { waitMs: 10_000, clock: systemClock, busy: (pid: number) => new Error(`held by ${pid}`) }

/** How many were at work at once, at most, while `count` wanted to. */
async function crowd(count: number): Promise<number> {
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: count }, () =>
      withLock(path, options, async () => {
        most = Math.max(most, ++inside)
        await systemClock.sleep(1)
        inside--
      }),
    ),
  )
  return most
}

test('one at a time, and nothing is left', async () => {
  expect(await crowd(8)).toBe(1)
  expect(await readdir(folder)).toEqual([])
})

test('a dead holder’s lock is taken over by one of those who wait', async () => {
  await writeFile(path, '999999999 1\n')
  expect(await crowd(8)).toBe(1)
  expect(await readdir(folder)).toEqual([])
})

test('a lock that a crash left empty is taken over', async () => {
  await writeFile(path, '')
  expect(await crowd(2)).toBe(1)
})

test('who waits is told for whom, and gives up in time; the lock stays its holder’s', async () => {
  const mark = `${process.pid} ${startTicksOf(process.pid)}\n`
  await writeFile(path, mark)
  const told: number[] = []
  const late = withLock(path, { ...options, waitMs: 120, waiting: (pid) => told.push(pid) }, async () => 'done')
  await expect(late).rejects.toThrow(`held by ${process.pid}`)
  expect(told).toEqual([process.pid])
  expect(await readFile(path, 'utf8')).toBe(mark)
})
