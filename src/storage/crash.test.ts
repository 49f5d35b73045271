import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { backUpFolder, readBackup } from './backup.ts'
import { openFileStore } from './file-store.ts'
import type { Entry, Store } from './store.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'crash-'))
afterAll(() => fs.rmSync(root, { recursive: true }))

/** `npm test` sets 500: a quick run of the unit tests has fewer. */
const kills = Number(process.env.STORE_CRASH_ROUNDS ?? 40)
const seed = Number(process.env.STORE_CRASH_SEED ?? 1)
/** Folders that are written and killed side by side. */
const lanes = 4
const writers = 8

const writer = path.join(root, 'crash-writer.mjs')
const restorer = path.join(root, 'crash-restorer.mjs')
beforeAll(async () => {
  // One file starts several times as fast as a dozen sources.
  const entryPoints = ['writer', 'restorer'].map((name) => fileURLToPath(new URL(`./testing/crash-${name}.ts`, import.meta.url)))
  const outExtension = { '.js': '.mjs' }
  await build({ entryPoints, outdir: root, outExtension, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
})

interface Known {
  /** The last number that each writer was told is safe, over all its lives. */
  readonly numbers: Map<string, number>
  revision: number
  /** How often a life ended before its store was open, and how often in the middle of a snapshot. */
  early: number
  inSnapshot: number
}

describe(`a writer killed with -9 at random moments (${kills} times, seed ${seed})`, () => {
  test.concurrent.each(Array.from({ length: lanes }, (_, lane) => lane))(
    'loses nothing that it acknowledged, shows no half commit and adds nothing (folder %i)',
    { timeout: 30_000 + kills * 2_000 },
    async (lane) => {
      const folder = fs.mkdtempSync(path.join(root, 'folder-'))
      const random = seededRandom(seed * lanes + lane).float
      const known: Known = { numbers: new Map(), revision: 0, early: 0, inSnapshot: 0 }
      for (let round = lane; round < kills; round += lanes) {
        const what = `kill ${round}, seed ${seed}`
        // One in five is killed while it starts, opening what the one before it left; the others while they write.
        const phase = random() < 0.2 ? 'starting' : 'writing'
        await writeUntilKilled(folder, {
          phase,
          delayMs: random() * (phase === 'starting' ? 150 : 30),
          known,
          what,
          backUp: round % 10 === 0,
        })
        if (fs.readdirSync(folder).some((name) => name.endsWith('.tmp'))) known.inSnapshot++
        const store = await openFileStore(folder, { clock: systemClock, log: silentLog }, { snapshotAfterBytes: 64 << 10 })
        await check(store, known, what)
        await store.close()
      }
      expect(known.revision).toBeGreaterThan(kills / lanes)
      expect(known.early).toBeLessThan(kills / lanes)
      // About one in three is; the few of a quick run may have none.
      if (kills >= 200) expect(known.inSnapshot).toBeGreaterThan(0)
    },
  )
})

async function check(store: Store, known: Known, what: string): Promise<void> {
  expect(await store.revision(), what).toBeGreaterThanOrEqual(known.revision)
  const { entries, revision } = await store.list('')
  const held = new Map(entries.map((entry) => [entry.key, entry]))
  checkPairs(held, what)
  for (let writer = 0; writer < writers; writer++) {
    const number = known.numbers.get(String(writer)) ?? 0
    const left = Number(held.get(`/left/${writer}`)?.value.toString() ?? 0)
    expect(left, `${what}: acknowledged to writer ${writer}`).toBeGreaterThanOrEqual(number)
    // A life has one commit of each writer under way when it ends.
    expect(left, `${what}: never written by writer ${writer}`).toBeLessThanOrEqual(number + 1)
    known.numbers.set(String(writer), left)
  }
  known.revision = revision
}

/** What is written in one commit is there at one revision. */
function checkPairs(held: ReadonlyMap<string, Entry>, what: string): void {
  for (let writer = 0; writer < writers; writer++) {
    const left = held.get(`/left/${writer}`)
    const right = held.get(`/right/${writer}`)
    expect(right?.value.toString(), `${what}: half a commit of writer ${writer}`).toBe(left?.value.toString())
    expect(right?.modRevision, `${what}: half a commit of writer ${writer}`).toBe(left?.modRevision)
    if (!left) continue
    const number = Number(left.value.toString())
    expect(held.get(`/padding/${writer}/${number % 10}`)?.modRevision, what).toBe(left.modRevision)
    expect(held.has(`/padding/${writer}/${(number + 5) % 10}`), what).toBe(false)
  }
}

async function writeUntilKilled(
  folder: string,
  life: { phase: 'starting' | 'writing'; delayMs: number; known: Known; what: string; backUp: boolean },
): Promise<void> {
  const { known } = life
  const child = spawn(process.execPath, [writer, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)))
  const arm = (): unknown => setTimeout(() => child.kill('SIGKILL'), life.delayMs)
  let isOpen = false
  if (life.phase === 'starting') arm()
  for await (const line of createInterface({ input: child.stdout })) {
    if (!isOpen) {
      isOpen = true
      if (life.backUp && life.phase === 'writing') await backUpBeside(folder, life.what)
      if (life.phase === 'writing') arm()
    }
    const [writer, number, revision, end] = line.split(' ')
    // A last line that the kill cut short counts for nothing.
    if (!writer || !number || !revision || end !== '.') continue
    known.numbers.set(writer, Number(number))
    known.revision = Math.max(known.revision, Number(revision))
  }
  if (!isOpen) known.early++
  expect(await ended, `${life.what}: it was killed, it did not fail`).toBe('SIGKILL')
}

/** While another process writes: whole commits only. */
async function backUpBeside(folder: string, what: string): Promise<void> {
  const file = path.join(root, `backup-${path.basename(folder)}`)
  await backUpFolder(folder, file, { log: silentLog })
  checkPairs(new Map(readBackup(file).entries.map(({ entry }) => [entry.key, entry])), `${what}: its backup`)
  fs.rmSync(file)
}

/** Runs it until a moment after it has first said something; answers what it said. */
async function runUntilKilled(args: readonly string[], delayMs: number): Promise<string[]> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)))
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.length === 0) setTimeout(() => child.kill('SIGKILL'), delayMs)
    if (line.endsWith(' .')) lines.push(line.slice(0, -2))
  }
  expect(await ended, 'it was killed, it did not fail').toBe('SIGKILL')
  return lines
}

/** A folder with values of its own, and a backup of it. */
async function folderOf(text: string): Promise<{ folder: string; backup: string }> {
  const folder = fs.mkdtempSync(path.join(root, 'folder-'))
  const store = await openFileStore(folder, { clock: systemClock, log: silentLog })
  for (let i = 0; i < 300; i++)
    await store.commit([{ key: `/${i}`, value: Buffer.from(`${text} ${'x'.repeat(3_000)}`), expect: undefined }])
  await store.close()
  const backup = path.join(folder, '..', `${path.basename(folder)}-backup`)
  await backUpFolder(folder, backup, { log: silentLog })
  return { folder, backup }
}

const textsOf = (values: readonly Uint8Array[]): string[] => [
  ...new Set(values.map((value) => Buffer.from(value).toString().split(' ')[0] ?? '')),
]

describe(`backup and restore killed with -9 at random moments (seed ${seed})`, { timeout: 30_000 + kills * 500 }, () => {
  const rounds = Math.ceil(kills / 5)

  test('a backup is the one before or a new one, whole; the folder is as it was', async () => {
    const random = seededRandom(seed).float
    const { folder, backup } = await folderOf('one')
    const before = fs.readFileSync(path.join(folder, 'log-0000000000000000'))
    for (let round = 0; round < rounds; round++) {
      await runUntilKilled([restorer, 'backup', folder, backup], random() * 30)
      const { entries } = readBackup(backup)
      expect([entries.length, textsOf(entries.map(({ entry }) => entry.value))]).toEqual([300, ['one']])
    }
    expect(fs.readFileSync(path.join(folder, 'log-0000000000000000')).equals(before)).toBe(true)
    await backUpFolder(folder, backup, { log: silentLog })
    expect(fs.readdirSync(root).filter((name) => name.startsWith(path.basename(backup)))).toEqual([path.basename(backup)])
  })

  test('a folder that is restored over another is the one or the other, whole, and no revision comes twice', async () => {
    const random = seededRandom(seed + 1).float
    const one = await folderOf('one')
    const other = await folderOf('other')
    let newest = 300
    for (let round = 0; round < rounds; round++) {
      const done = await runUntilKilled([restorer, 'restore', one.folder, one.backup, other.backup], random() * 40)
      const store = await openFileStore(one.folder, { clock: systemClock, log: silentLog })
      const { entries, revision } = await store.list('')
      const acknowledged = done.length % 2 === 1 ? 'one' : 'other'
      expect([entries.length, textsOf(entries.map(({ value }) => value)).length]).toEqual([300, 1])
      const last = Number(done.at(-1))
      expect(revision).toBeGreaterThanOrEqual(last)
      // What was told to be restored is, unless the next one had taken its place already.
      if (revision === last) expect(textsOf(entries.map(({ value }) => value))).toEqual([acknowledged])
      expect(Math.min(...done.map(Number))).toBeGreaterThan(newest)
      expect(await store.commit([{ key: '/0', value: entries[0]!.value, expect: undefined }])).toEqual({ ok: true, revision: revision + 1 })
      newest = revision + 1
      await store.close()
    }
  })
})

describe('another process', () => {
  async function failure(args: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    for await (const chunk of child.stderr) said += chunk
    return said
  }

  test('on the same folder is refused, with the number of the one that has it', async () => {
    const folder = fs.mkdtempSync(path.join(root, 'folder-'))
    const first = spawn(process.execPath, [writer, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise((resolve) => first.on('close', resolve))
    await new Promise((resolve) => first.stdout.once('data', resolve))
    first.stdout.resume()
    expect(await failure([writer, folder])).toContain(`${folder} is in use by process ${first.pid}: a store serves one process`)
    expect(await failure([restorer, 'restore', folder, 'none'])).toContain('none')
    first.kill('SIGKILL')
    await ended
    await (await openFileStore(folder, { clock: systemClock, log: silentLog })).close()
  })

  test.skipIf(process.getuid?.() !== 0)('of a user who may not use the folder is refused, with its name (needs root)', async () => {
    const folder = fs.mkdtempSync(path.join(root, 'folder-'))
    fs.chmodSync(root, 0o711)
    const said = await failure([writer, folder, '65534'])
    expect(said).toContain(`${folder} cannot be used as a store: EACCES: permission denied`)
    expect(fs.readdirSync(folder)).toEqual([])
  })
})
