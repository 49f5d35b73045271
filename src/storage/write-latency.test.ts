import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../host/log.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { openFileStore } from './file-store.ts'
import { StoreClosedError } from './store.ts'
import { ModelledDisk } from './testing/modelled-disk.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'write-latency-'))
afterAll(() => fs.rmSync(root, { recursive: true }))

const keyOf = (i: number): string => `/registry/pods/default/pod-${String(i).padStart(7, '0')}`
const value = Buffer.alloc(1000, 'x')
/** What a snapshot brings to the disk at once, 256 KiB and a flush. */
const onePieceMs = 0.8

/** Milliseconds, of commits of 1 kB for a while in which a snapshot of all keys begins, on a disk and by a clock that are the same wherever this runs. */
async function measure(keys: number, writers: number): Promise<{ p50: number; p99: number; worst: number }> {
  const clock = new VirtualClock()
  const disk = new ModelledDisk(clock)
  const folder = fs.mkdtempSync(path.join(root, 'folder-'))
  const passUntil = async <T>(done: Promise<T>): Promise<T> => {
    let isDone = false
    void done.finally(() => {
      isDone = true
    })
    expect(await clock.advanceUntil(() => isDone, 60_000)).toBe(true)
    return done
  }
  const options = { snapshotAfterBytes: keys * 1060 + 100_000 }
  const store = await passUntil(openFileStore(folder, { clock, log: silentLog, disk }, options))
  const fill = async (): Promise<void> => {
    for (let i = 0; i < keys; i += 1000)
      await store.commit(Array.from({ length: 1000 }, (_, j) => ({ key: keyOf(i + j), value, expect: undefined })))
  }
  await passUntil(fill())
  expect(disk.created.filter((name) => name.startsWith('snapshot-'))).toEqual([])
  const times: number[] = []
  const until = clock.monotonic() + 400
  let next = 0
  const write = async (): Promise<void> => {
    for (let begun = clock.monotonic(); begun < until; begun = clock.monotonic()) {
      await store.commit([{ key: keyOf((next++ * 7919) % keys), value, expect: undefined }])
      times.push(clock.monotonic() - begun)
    }
  }
  await passUntil(Promise.all(Array.from({ length: writers }, write)))
  expect(disk.created.filter((name) => name.startsWith('snapshot-')).length).toBeGreaterThan(0)
  await passUntil(store.close())
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)] as number
  return { p50: at(0.5), p99: at(0.99), worst: at(1) }
}

test('a queue of ten thousand at a slow disk goes out in a few writes, in order; who closes meanwhile loses nothing', async () => {
  const clock = new VirtualClock()
  const disk = new ModelledDisk(clock, 20)
  const folder = fs.mkdtempSync(path.join(root, 'folder-'))
  const opening = openFileStore(folder, { clock, log: silentLog, disk })
  await clock.advance(1_000)
  const store = await opening
  const revisions: number[] = []
  const commits = Array.from({ length: 10_000 }, async (_, i) => {
    const result = await store.commit([{ key: keyOf(i), value, expect: 0 }])
    if (result.ok) revisions.push(result.revision)
  })
  const closed = store.close()
  await expect(store.commit([{ key: '/late', value, expect: 0 }])).rejects.toThrow(StoreClosedError)
  await clock.advance(10_000)
  await Promise.all([...commits, closed])
  expect(revisions).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1))
  expect(store.metrics()).toMatchObject({ commits: 10_000, keys: 10_000 })
  expect(store.metrics().fsyncs).toBeLessThanOrEqual(4)
})

test.each([1, 16, 128])(
  'fifty times the objects: a commit of %i writers waits for one small piece of the snapshot at most',
  async (writers) => {
    const few = await measure(1_000, writers)
    const many = await measure(50_000, writers)
    expect(many.p50).toBeLessThanOrEqual(few.p50)
    expect(many.p99).toBeLessThan(few.p99 + onePieceMs)
    expect(many.worst).toBeLessThan(5 * onePieceMs)
  },
)
