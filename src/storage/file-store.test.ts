import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { type Clock, systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { type FileStoreOptions, openFileStore } from './file-store.ts'
import { DamagedStoreError, OtherFormatError, UnreadableStoreError } from './frame-reader.ts'
import { type Store, UnavailableError } from './store.ts'
import { storeContract } from './store-contract.ts'
import { diskError, FaultyDisk } from './testing/faulty-disk.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'store-'))
afterAll(() => fs.rmSync(root, { recursive: true }))

const deps = { clock: systemClock, log: silentLog }
const newFolder = (): string => fs.mkdtempSync(path.join(root, 'folder-'))
const open = (folder: string, options?: FileStoreOptions): Promise<Store> => openFileStore(folder, deps, options)
const put = (store: Store, key: string, value: string): ReturnType<Store['commit']> =>
  store.commit([{ key, value: Buffer.from(value), expect: undefined }])

/** Everything that can be seen of a store's newest state. */
async function stateOf(store: Store): Promise<string> {
  const { entries, revision } = await store.list('')
  const lines = entries.map(
    (entry) => `${entry.key} ${entry.createRevision} ${entry.modRevision} ${Buffer.from(entry.value).toString('latin1')}`,
  )
  return [`revision ${revision}`, ...lines].join('\n')
}

const clock = new VirtualClock()
storeContract(
  'file',
  (options) => openFileStore(newFolder(), { ...deps, clock }, options),
  (milliseconds) => clock.advance(milliseconds),
)

/** Short logs, so that snapshots come often. */
const manySnapshots = { snapshotAfterBytes: 2000 }

describe('a folder opened again', () => {
  test('holds the same state, revision and history', async () => {
    const folder = newFolder()
    const first = await open(folder)
    for (const value of ['1', '2', '3']) await put(first, '/a', value)
    await put(first, '/b', '1')
    await first.commit([{ key: '/b', value: undefined, expect: 4 }])
    const before = await stateOf(first)
    await first.close()
    const second = await open(folder)
    expect(await stateOf(second)).toBe(before)
    expect(Buffer.from((await second.get('/a', { revision: 2 }))!.value).toString()).toBe('2')
    const seen: number[] = []
    for await (const batch of second.watch('/', { after: 1, signal: new AbortController().signal })) {
      seen.push(batch.revision)
      if (batch.revision === 5) break
    }
    expect(seen).toEqual([2, 3, 4, 5])
    await second.close()
  })

  test('remembers what was compacted', async () => {
    const folder = newFolder()
    const first = await open(folder)
    for (const value of ['1', '2', '3']) await put(first, '/a', value)
    await first.compact(2)
    await first.close()
    const second = await open(folder)
    expect(second.metrics()).toMatchObject({ compactedRevision: 2, revision: 3 })
    await second.close()
  })

  test.each([{ snapshotAfterBytes: 1 << 20 }, manySnapshots])('keeps to times to live, from log and snapshot (%o)', async (options) => {
    const folder = newFolder()
    const time = new VirtualClock()
    const openThen = (): Promise<Store> => openFileStore(folder, { ...deps, clock: time }, options)
    const first = await openThen()
    await first.commit([
      { key: '/brief', value: Buffer.from('1'), expect: undefined, ttlSeconds: 60 },
      { key: '/long', value: Buffer.from('1'), expect: undefined, ttlSeconds: 600 },
    ])
    for (let i = 0; i < 40; i++) await put(first, '/stays', 'x'.repeat(100))
    await first.close()
    await time.advance(50_000)
    const second = await openThen()
    expect((await second.list('')).entries.map((entry) => entry.key)).toEqual(['/brief', '/long', '/stays'])
    await second.close()
    await time.advance(20_000)
    const third = await openThen()
    const seen = third.watch('', { after: 41, signal: new AbortController().signal, progress: false })[Symbol.asyncIterator]()
    await time.advance(1_000)
    expect((await seen.next()).value.events).toMatchObject([{ type: 'delete', key: '/brief', revision: 42 }])
    await third.close()
    const fourth = await openThen()
    expect((await fourth.list('')).entries.map((entry) => entry.key)).toEqual(['/long', '/stays'])
    expect(await fourth.revision()).toBe(42)
    await fourth.close()
  })

  test('goes on through many snapshots with its revision, old files gone', async () => {
    const folder = newFolder()
    let before = ''
    for (let round = 1; round <= 5; round++) {
      const store = await open(folder, manySnapshots)
      if (before) expect(await stateOf(store)).toBe(before)
      for (let i = 0; i < 100; i++) await put(store, `/${i % 30}`, `${round} ${i} ${'x'.repeat(100)}`)
      expect(await store.revision()).toBe(round * 100)
      before = await stateOf(store)
      await store.close()
    }
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('snapshot-')).length).toBe(1)
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('log-')).length).toBeLessThanOrEqual(2)
    expect(fs.readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('is for its owner only', async () => {
    const folder = path.join(newFolder(), 'new')
    const store = await open(folder, manySnapshots)
    for (let i = 0; i < 50; i++) await put(store, '/secret', 'x'.repeat(100))
    await store.close()
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of fs.readdirSync(folder).filter((name) => /^(log|snapshot)-/.test(name)))
      expect(fs.statSync(path.join(folder, name)).mode & 0o077).toBe(0)
  })

  test('keeps no more history than its limits say', async () => {
    const store = await open(newFolder(), { history: { revisions: 10, bytes: 1 << 20, ageMs: 60_000 } })
    for (let i = 0; i < 50; i++) await put(store, '/a', String(i))
    expect(store.metrics()).toMatchObject({ revision: 50, compactedRevision: 40 })
    await store.close()
  })
})

describe('a folder that is moved', () => {
  test('opens at its new place; while it is open it goes on there, and is refused to others', async () => {
    const folder = newFolder()
    const store = await open(folder, manySnapshots)
    for (let i = 0; i < 30; i++) await put(store, `/${i}`, 'x'.repeat(100))
    const moved = path.join(newFolder(), 'moved')
    fs.renameSync(folder, moved)
    // No new file can be begun where the folder was: the log grows on.
    for (let i = 0; i < 60; i++) await put(store, `/${i}`, 'y'.repeat(100))
    await expect(open(moved)).rejects.toThrow(`${moved} is in use by process ${process.pid}`)
    const before = await stateOf(store)
    await store.close()
    const again = await open(moved, manySnapshots)
    expect(await stateOf(again)).toBe(before)
    for (let i = 0; i < 60; i++) await put(again, `/${i}`, 'z'.repeat(100))
    await again.close()
    expect(fs.existsSync(folder)).toBe(false)
  })
})

describe('a wall clock that jumps', () => {
  /** Time passes by one clock, the other is set. */
  function clocks(): { clock: Clock; time: VirtualClock; set: (byMs: number) => void } {
    const time = new VirtualClock()
    let offMs = 0
    const clock: Clock = {
      now: () => time.now() + offMs,
      monotonic: () => time.monotonic(),
      after: (delayMs, run) => time.after(delayMs, run),
      sleep: (delayMs, signal) => time.sleep(delayMs, signal),
    }
    return {
      clock,
      time,
      set: (byMs) => {
        offMs += byMs
      },
    }
  }
  const hour = 3_600_000
  const keysOf = async (store: Store): Promise<string[]> => (await store.list('')).entries.map((entry) => entry.key)
  /** The disk is a real one: what the clock set off is awaited. */
  const gone = async (store: Store, after: number): Promise<string> => {
    const watch = store.watch('', { after, signal: new AbortController().signal, progress: false })
    for await (const { events } of watch) for (const { type, key } of events) if (type === 'delete') return key
    return ''
  }

  test('forward: what is due by it goes within a minute, what is not stays, and commits go on', async () => {
    const { clock, time, set } = clocks()
    const store = await openFileStore(newFolder(), { ...deps, clock })
    await store.commit([
      { key: '/brief', value: Buffer.from('1'), expect: 0, ttlSeconds: 600 },
      { key: '/long', value: Buffer.from('1'), expect: 0, ttlSeconds: 7_200 },
    ])
    set(hour)
    await time.advance(61_000)
    expect(await gone(store, 1)).toBe('/brief')
    expect(await keysOf(store)).toEqual(['/long'])
    expect(await put(store, '/after', '1')).toEqual({ ok: true, revision: 3 })
    await store.close()
  })

  test('backward: nothing goes before its time, nor is anything forgotten, nor do revisions, history and latencies run back', async () => {
    const { clock, time, set } = clocks()
    const folder = newFolder()
    const store = await openFileStore(folder, { ...deps, clock })
    await store.commit([{ key: '/brief', value: Buffer.from('1'), expect: 0, ttlSeconds: 60 }])
    set(-hour)
    await put(store, '/a', '1')
    await time.advance(61_000)
    expect(await keysOf(store)).toEqual(['/a', '/brief'])
    expect(store.metrics()).toMatchObject({ revision: 2, compactedRevision: 0 })
    expect(store.metrics().latency.commit.sumSeconds).toBeGreaterThanOrEqual(0)
    await store.close()
    const again = await openFileStore(folder, { ...deps, clock })
    expect(await keysOf(again)).toEqual(['/a', '/brief'])
    set(hour)
    await time.advance(61_000)
    expect(await gone(again, 2)).toBe('/brief')
    expect(await keysOf(again)).toEqual(['/a'])
    await again.close()
  })
})

describe('a second process', () => {
  test('is refused with the name of the first, and let in after it', async () => {
    const folder = newFolder()
    const first = await open(folder)
    await expect(open(folder)).rejects.toThrow(`in use by process ${process.pid}`)
    await first.close()
    await (await open(folder)).close()
  })
})

describe('a disk that fails', () => {
  for (const code of ['ENOSPC', 'EIO'] as const) {
    test(`${code}: the commit is rejected, nothing of it shows, and writes go on once the disk does`, async () => {
      const folder = newFolder()
      const disk = new FaultyDisk()
      const store = await openFileStore(folder, { ...deps, disk })
      await put(store, '/a', '1')
      const before = await stateOf(store)
      disk.failWith = diskError(code)
      const lost = await Promise.allSettled([put(store, '/a', '2'), put(store, '/b', '2')])
      expect(lost.map((result) => result.status === 'rejected' && result.reason)).toEqual([
        expect.any(UnavailableError),
        expect.any(UnavailableError),
      ])
      await expect(store.healthy()).rejects.toThrow(code)
      expect(await stateOf(store)).toBe(before)
      disk.failEverything = true
      await expect(put(store, '/a', '3')).rejects.toThrow(UnavailableError)
      expect(await stateOf(store)).toBe(before)
      disk.failEverything = false
      disk.failWith = undefined
      await store.healthy()
      expect(await put(store, '/a', '4')).toEqual({ ok: true, revision: 2 })
      const after = await stateOf(store)
      await store.close()
      const again = await open(folder)
      expect(await stateOf(again)).toBe(after)
      await again.close()
    })

    test(`${code} in the middle of a write, then kill -9: the folder opens with what was acknowledged`, async () => {
      const folder = newFolder()
      const disk = new FaultyDisk()
      const store = await openFileStore(folder, { ...deps, disk })
      await put(store, '/a', '1')
      const before = await stateOf(store)
      disk.failWith = diskError(code)
      await expect(put(store, '/a', 'x'.repeat(5000))).rejects.toThrow(UnavailableError)
      const copy = newFolder()
      for (const name of fs.readdirSync(folder)) fs.copyFileSync(path.join(folder, name), path.join(copy, name))
      const again = await open(copy)
      expect(await stateOf(again)).toBe(before)
      await again.close()
      await store.close()
    })
  }

  test('a value whose time is over while the disk takes no writes goes once it does', async () => {
    const time = new VirtualClock()
    const disk = new FaultyDisk()
    const store = await openFileStore(newFolder(), { ...deps, disk, clock: time })
    await store.commit([{ key: '/brief', value: Buffer.from('1'), expect: undefined, ttlSeconds: 5 }])
    const seen = store.watch('', { after: 1, signal: new AbortController().signal, progress: false })[Symbol.asyncIterator]()
    disk.failWith = diskError('ENOSPC')
    await time.advance(20_000)
    await expect(put(store, '/other', '1')).rejects.toThrow(UnavailableError)
    expect(await store.get('/brief')).toBeDefined()
    disk.failWith = undefined
    await time.advance(2_000)
    expect((await seen.next()).value.events).toMatchObject([{ type: 'delete', key: '/brief' }])
    await store.close()
  })

  test('a snapshot that cannot be written is tried again later, and nothing is lost meanwhile', async () => {
    const folder = newFolder()
    const disk = new FaultyDisk()
    const store = await openFileStore(folder, { ...deps, disk }, manySnapshots)
    for (let i = 0; i < 18; i++) await put(store, `/${i}`, 'x'.repeat(50))
    const create = disk.create.bind(disk)
    let refused = 0
    disk.create = (file, options) => (options.durable || ++refused > 3 ? create(file, options) : Promise.reject(diskError('ENOSPC')))
    for (let i = 0; i < 300; i++) await put(store, `/${i}`, 'x'.repeat(50))
    const before = await stateOf(store)
    await store.close()
    expect(refused).toBeGreaterThan(3)
    const again = await open(folder, manySnapshots)
    expect(await stateOf(again)).toBe(before)
    await again.close()
  })
})

test('a new log that cannot be begun leaves the old one in use, and the folder opens', async () => {
  for (const step of ['create', 'rename', 'syncDirectory'] as const) {
    const folder = newFolder()
    const disk = new FaultyDisk()
    const store = await openFileStore(folder, { ...deps, disk }, manySnapshots)
    const real = disk[step].bind(disk) as (...args: unknown[]) => Promise<never>
    let failures = 0
    Object.assign(disk, { [step]: (...args: unknown[]) => (++failures > 2 ? real(...args) : Promise.reject(diskError('EIO'))) })
    for (let i = 0; i < 40; i++) await put(store, `/${i}`, 'x'.repeat(100))
    const copy = newFolder()
    const before = await stateOf(store)
    for (const name of fs.readdirSync(folder)) fs.copyFileSync(path.join(folder, name), path.join(copy, name))
    const newestWithRecords = fs
      .readdirSync(copy)
      .filter((name) => name.startsWith('log-') && writtenBytes(path.join(copy, name)) > 60)
      .at(-1)!
    const torn = fs.openSync(path.join(copy, newestWithRecords), 'r+')
    fs.writeSync(torn, 'ownk', writtenBytes(path.join(copy, newestWithRecords)))
    fs.closeSync(torn)
    const copied = await open(copy, manySnapshots)
    expect(await stateOf(copied), `${step} failed, then a crash`).toBe(before)
    await copied.close()
    for (let i = 0; i < 200; i++) await put(store, `/${i}`, 'y'.repeat(100))
    const after = await stateOf(store)
    await store.close()
    expect(failures).toBeGreaterThan(2)
    expect(fs.existsSync(path.join(folder, 'log-next.tmp'))).toBe(false)
    const again = await open(folder)
    expect(await stateOf(again), `${step} failed`).toBe(after)
    await again.close()
  }
})

/** Where the zeros begin that a log ends with: room for more. */
function writtenBytes(log: string): number {
  return fs.readFileSync(log).findLastIndex((byte) => byte !== 0) + 1
}

/** A folder with one log of ten commits, the states after each, and where in the log each ends. */
async function tenCommits(): Promise<{ log: string; states: string[]; ends: number[] }> {
  const folder = newFolder()
  const store = await open(folder)
  const log = path.join(folder, 'log-0000000000000000')
  const states = [await stateOf(store)]
  const ends = [writtenBytes(log)]
  for (let i = 1; i <= 10; i++) {
    await put(store, `/${i % 4}`, `value ${i} ${'x'.repeat(i * 90)}`)
    states.push(await stateOf(store))
    ends.push(writtenBytes(log))
  }
  await store.close()
  return { log, states, ends }
}

async function openWith(bytes: Uint8Array): Promise<string> {
  const folder = newFolder()
  fs.writeFileSync(path.join(folder, 'log-0000000000000000'), bytes)
  const store = await open(folder)
  const state = await stateOf(store)
  // What was cut off stays cut off: a write and one more opening agree.
  await put(store, '/more', '1')
  const more = await stateOf(store)
  await store.close()
  const again = await open(folder)
  expect(await stateOf(again)).toBe(more)
  await again.close()
  return state
}

describe('files that cannot be opened', () => {
  test('of another format are refused, with the way here, and left as they are', async () => {
    const { log } = await tenCommits()
    const older = fs.readFileSync(log)
    older.write('ownkube log 1   ', 'latin1')
    older.writeUInt32LE(crc32(older.subarray(0, 24)), 24)
    const folder = newFolder()
    const file = path.join(folder, 'log-0000000000000000')
    fs.writeFileSync(file, older)
    const refused = open(folder)
    await expect(refused).rejects.toThrow(OtherFormatError)
    await expect(refused).rejects.toThrow(`${file} is in a format ('log 1') that this version does not read`)
    await expect(refused).rejects.toThrow("'ownkube backup FILE' with the version that wrote it")
    expect(fs.readFileSync(file).equals(older)).toBe(true)
  })

  test('because the disk fails while they are read are told by name, with the way back, and open once it reads again', async () => {
    const { log, states } = await tenCommits()
    const folder = path.dirname(log)
    const before = fs.readFileSync(log)
    // There is no seam here but the system's own: the fourth read fails.
    let reads = 0
    const real = fs.readSync
    const failing = vi.spyOn(fs, 'readSync').mockImplementation(((...args: Parameters<typeof real>) => {
      if (++reads === 4) throw Object.assign(diskError('EIO'), { syscall: 'read' })
      return real(...args)
    }) as typeof real)
    try {
      const refused = open(folder)
      await expect(refused).rejects.toThrow(UnreadableStoreError)
      await expect(refused).rejects.toThrow(`${log} cannot be read: EIO: i/o error`)
      await expect(refused).rejects.toThrow('ownkube restore --overwrite')
    } finally {
      failing.mockRestore()
    }
    expect(fs.readFileSync(log).equals(before)).toBe(true)
    const again = await open(folder)
    expect(await stateOf(again)).toBe(states[10])
    await again.close()
  })
})

describe('damage', () => {
  test('a write that a crash cut short anywhere, with all that would have followed it, is left out', async () => {
    const { log, states, ends } = await tenCommits()
    const whole = fs.readFileSync(log)
    for (let sector = 512; sector <= ends[10]! + 512; sector += 512) {
      const commits = Math.max(0, ends.filter((end) => end <= sector).length - 1)
      const torn = Buffer.from(whole)
      torn.fill(0, sector)
      expect(await openWith(torn), `nothing from byte ${sector} on`).toBe(states[commits])
    }
  })

  test('a last write of which some sectors never reached the disk is left out', async () => {
    const { log, states, ends } = await tenCommits()
    const whole = fs.readFileSync(log)
    for (let sector = Math.ceil(ends[9]! / 512) * 512; sector < ends[10]!; sector += 512) {
      const torn = Buffer.from(whole)
      torn.fill(0, sector, sector + 512)
      expect(await openWith(torn)).toBe(states[9])
    }
    expect(await openWith(Buffer.concat([whole, Buffer.alloc(4096)]))).toBe(states[10])
  })

  test('a log cut short anywhere is refused, with the file and the way back, however much had been written', async () => {
    const folder = newFolder()
    const store = await open(folder)
    const log = path.join(folder, 'log-0000000000000000')
    const sizes = new Set<number>()
    for (let i = 0; i < 60; i++) {
      await put(store, `/${i}`, 'x'.repeat(9_000))
      sizes.add(fs.statSync(log).size)
    }
    await store.close()
    // What is cut off the room behind the last write is no loss.
    const whole = fs.readFileSync(log).subarray(0, writtenBytes(log))
    expect(sizes.size, 'ends of room made before').toBeGreaterThan(3)
    const cuts = [0, 5, 27, 28, 29, 100, 9_100, ...[...sizes].flatMap((size) => [size - 1, size, size + 1])]
    for (const cut of cuts.filter((length) => length < whole.length)) {
      const damaged = newFolder()
      const file = path.join(damaged, 'log-0000000000000000')
      fs.writeFileSync(file, whole.subarray(0, cut))
      await expect(open(damaged), `cut at ${cut}`).rejects.toThrow(file)
      await expect(open(damaged), `cut at ${cut}`).rejects.toThrow(DamagedStoreError)
      expect(fs.statSync(file).size).toBe(cut)
    }
  })

  test('a flipped bit anywhere is refused, with the file and the way back, and the file left as it is', async () => {
    const { log, ends } = await tenCommits()
    const whole = fs.readFileSync(log)
    const random = seededRandom(7).float
    for (let round = 0; round < 150; round++) {
      const at = Math.floor(random() * ends[10]!)
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << Math.floor(random() * 8)
      const folder = newFolder()
      const file = path.join(folder, 'log-0000000000000000')
      fs.writeFileSync(file, flipped)
      const refused = open(folder)
      await expect(refused, `bit flipped at ${at}`).rejects.toThrow(DamagedStoreError)
      await expect(refused).rejects.toThrow(file)
      await expect(refused).rejects.toThrow('ownkube restore --overwrite')
      expect(fs.readFileSync(file).equals(flipped)).toBe(true)
    }
  })

  test('a snapshot with a flipped bit or cut short is refused, and so is a missing log', async () => {
    const folder = newFolder()
    const store = await open(folder, manySnapshots)
    for (let i = 0; i < 100; i++) await put(store, `/${i}`, 'x'.repeat(100))
    await store.close()
    const snapshot = path.join(folder, fs.readdirSync(folder).find((name) => name.startsWith('snapshot-'))!)
    const whole = fs.readFileSync(snapshot)
    const random = seededRandom(8).float
    for (let round = 0; round < 30; round++) {
      const flipped = Buffer.from(whole)
      flipped[Math.floor(random() * whole.length)]! ^= 1 << Math.floor(random() * 8)
      fs.writeFileSync(snapshot, flipped)
      await expect(open(folder)).rejects.toThrow(snapshot)
      fs.writeFileSync(snapshot, whole.subarray(0, Math.floor(random() * whole.length)))
      await expect(open(folder)).rejects.toThrow(snapshot)
    }
    fs.writeFileSync(snapshot, whole)
    for (const name of fs.readdirSync(folder)) if (name.startsWith('log-')) fs.rmSync(path.join(folder, name))
    await expect(open(folder)).rejects.toThrow('is missing')
  })
})
