import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { backUpFolder, backUpStore, DamagedBackupError, readBackup } from './backup.ts'
import { openEtcdStore } from './etcd/etcd-store.ts'
import { openFileStore } from './file-store.ts'
import { MemoryStore } from './memory-store.ts'
import { restoreFolder, restoreInto, WouldOverwriteError } from './restore.ts'
import { CompactedError, type Store } from './store.ts'
import { type EtcdCluster, hasEtcd, startEtcd } from './testing/etcd-server.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'backup-'))
afterAll(() => fs.rmSync(root, { recursive: true }))
const clock = new VirtualClock()
const log = silentLog
const newFolder = (): string => fs.mkdtempSync(path.join(root, 'folder-'))
const newFile = (): string => path.join(newFolder(), 'backup')
const open = (folder: string): Promise<Store> => openFileStore(folder, { clock, log }, { snapshotAfterBytes: 20_000 })
const put = async (store: Store, key: string, value: string, ttlSeconds?: number): Promise<void> => {
  const result = await store.commit([{ key, value: Buffer.from(value), expect: undefined, ...(ttlSeconds ? { ttlSeconds } : {}) }])
  expect(result.ok).toBe(true)
}
const valuesOf = async (store: Store): Promise<string[]> =>
  (await store.list('')).entries.map(({ key, value }) => `${key} ${Buffer.from(value).toString()}`)

async function filled(store: Store): Promise<void> {
  for (let i = 0; i < 100; i++) await put(store, `/${i % 60}`, `${i} ${'x'.repeat(400)}`)
  await put(store, '/brief', 'goes', 60)
}

describe('a backup of an open store', () => {
  let etcd: EtcdCluster
  beforeAll(async () => {
    if (hasEtcd) etcd = await startEtcd(1)
  })
  afterAll(async () => {
    if (hasEtcd) await etcd.remove()
  })
  const openEtcd = (): Promise<Store> =>
    openEtcdStore({ endpoints: etcd.endpoints, tls: {}, prefix: '/backup' }, { clock: systemClock, random: systemRandom, log })
  const kinds: [string, () => Promise<Store>][] = [
    ['memory', async () => new MemoryStore({ clock })],
    ['file', () => open(newFolder())],
    ...(hasEtcd ? [['etcd', openEtcd] as [string, () => Promise<Store>]] : []),
  ]
  test.each(kinds)('%s: is put back into another, times to live included, and everything from before is compacted', async (kind, make) => {
    const file = newFile()
    const store = await make()
    await filled(store)
    const before = await valuesOf(store)
    expect(await backUpStore(store, file)).toMatchObject({ revision: await store.revision(), keys: 61 })
    expect(fs.statSync(file).mode & 0o077).toBe(0)
    await put(store, '/later', '1')
    await store.commit([{ key: '/1', value: undefined, expect: undefined }])
    await expect(restoreInto(store, readBackup(file), { overwrite: false, nowMs: 0 })).rejects.toThrow(WouldOverwriteError)
    const known = await store.revision()
    const now = kind === 'etcd' ? systemClock.now() : clock.now()
    const { revision } = await restoreInto(store, readBackup(file), { overwrite: true, nowMs: now })
    expect(await valuesOf(store)).toEqual(before)
    expect([...(await store.deadlines()).keys()]).toEqual(['/brief'])
    expect(revision).toBeGreaterThan(known)
    await expect(store.list('', { revision: known })).rejects.toThrow(CompactedError)
    await store.close()
  })
})

describe("a backup of a file store's folder", () => {
  test('is taken beside the process that writes it, again and again, each time one moment of all keys', async () => {
    const folder = newFolder()
    const store = await open(folder)
    await store.commit(['/a', '/b', '/c'].map((key) => ({ key, value: Buffer.from('0'), expect: undefined })))
    let writing = true
    let acknowledged = 0
    const writers = [0, 1, 2, 3].map(async () => {
      while (writing) {
        const number = ++acknowledged
        const value = Buffer.from(`${number} ${'x'.repeat(300)}`)
        await store.commit(['/a', '/b', '/c'].map((key) => ({ key, value, expect: undefined })))
      }
    })
    for (let round = 0; round < 15; round++) {
      const least = await store.revision()
      const file = newFile()
      const { revision } = await backUpFolder(folder, file, { log })
      expect(revision).toBeGreaterThanOrEqual(least)
      const values = readBackup(file).entries.map(({ entry }) => Buffer.from(entry.value).toString())
      expect(new Set(values).size, `the three keys of one commit at ${revision}`).toBe(1)
    }
    writing = false
    await Promise.all(writers)
    await store.close()
  })

  test('is restored over another history: all revisions of it are gone, none is given twice, and it opens like any other', async () => {
    const folder = newFolder()
    const file = newFile()
    const store = await open(folder)
    await filled(store)
    const before = await valuesOf(store)
    await backUpFolder(folder, file, { log })
    for (let i = 0; i < 50; i++) await put(store, '/1', `after the backup ${i}`)
    await expect(restoreFolder(folder, readBackup(file), { overwrite: true, nowMs: clock.now(), log })).rejects.toThrow(
      'is in use by process',
    )
    await store.close()
    await expect(restoreFolder(folder, readBackup(file), { overwrite: false, nowMs: clock.now(), log })).rejects.toThrow(
      WouldOverwriteError,
    )
    const { revision } = await restoreFolder(folder, readBackup(file), { overwrite: true, nowMs: clock.now(), log })
    expect(revision).toBeGreaterThan(151)
    const restored = await open(folder)
    expect(await valuesOf(restored)).toEqual(before)
    expect(await restored.revision()).toBe(revision)
    for (const known of [1, 101, 151]) {
      await expect(restored.get('/1', { revision: known })).rejects.toThrow(CompactedError)
      const watch = restored.watch('', { after: known, signal: new AbortController().signal })
      await expect(watch[Symbol.asyncIterator]().next()).rejects.toThrow(CompactedError)
    }
    expect([...(await restored.deadlines()).keys()]).toEqual(['/brief'])
    await put(restored, '/1', 'goes on')
    await restored.close()
    const again = await restoreFolder(folder, readBackup(file), { overwrite: true, nowMs: clock.now() + 61_000, log })
    expect(again.revision).toBeGreaterThan(revision + 1)
    const last = await open(folder)
    expect(await valuesOf(last)).toEqual(before.filter((line) => !line.startsWith('/brief')))
    expect(fs.readdirSync(folder).filter((name) => /^(log|snapshot)-/.test(name))).toHaveLength(2)
    await last.close()
  })

  test('is the way back from every damage that is refused', async () => {
    const folder = newFolder()
    const file = newFile()
    const store = await open(folder)
    await filled(store)
    const before = await valuesOf(store)
    await backUpFolder(folder, file, { log })
    await store.close()
    const random = seededRandom(3).float
    for (let round = 0; round < 6; round++) {
      const damaged = newFolder()
      for (const name of fs.readdirSync(folder)) fs.copyFileSync(path.join(folder, name), path.join(damaged, name))
      const names = fs.readdirSync(damaged).filter((name) => /^(log|snapshot)-/.test(name))
      const target = path.join(damaged, names[round % names.length]!)
      const bytes = fs.readFileSync(target)
      // Of a log that was begun a moment ago little is written: the rest is room.
      const written = bytes.findLastIndex((byte) => byte !== 0) + 1
      if (round < 4) bytes[30 + Math.floor(random() * (written - 30))]! ^= 4
      fs.writeFileSync(target, round < 4 ? bytes : bytes.subarray(0, Math.floor(random() * 1000)))
      await expect(open(damaged), target).rejects.toThrow(`${target} is damaged`)
      const { revision } = await restoreFolder(damaged, readBackup(file), { overwrite: true, nowMs: clock.now(), log })
      const back = await open(damaged)
      expect(await valuesOf(back)).toEqual(before)
      expect(await back.revision()).toBe(revision)
      await back.close()
    }
  })

  test('that is damaged anywhere is refused, and nothing is changed', async () => {
    const folder = newFolder()
    const file = newFile()
    const store = await open(folder)
    await filled(store)
    await store.close()
    await backUpFolder(folder, file, { log })
    const whole = fs.readFileSync(file)
    const random = seededRandom(4).float
    for (let round = 0; round < 40; round++) {
      const flipped = Buffer.from(whole)
      flipped[Math.floor(random() * whole.length)]! ^= 1 << Math.floor(random() * 8)
      fs.writeFileSync(file, flipped)
      expect(() => readBackup(file)).toThrow(DamagedBackupError)
      fs.writeFileSync(file, whole.subarray(0, Math.floor(random() * whole.length)))
      expect(() => readBackup(file)).toThrow(file)
    }
    fs.writeFileSync(file, 'not a backup at all')
    expect(() => readBackup(file)).toThrow('no backup that can be relied on')
  })
})
