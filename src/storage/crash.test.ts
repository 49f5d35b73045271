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

const writer = path.join(root, 'writer.mjs')
beforeAll(async () => {
  // One file starts several times as fast as a dozen sources.
  const entry = fileURLToPath(new URL('./testing/crash-writer.ts', import.meta.url))
  await build({ entryPoints: [entry], outfile: writer, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
})

interface Known {
  /** The last number that each writer was told is safe, over all its lives. */
  readonly numbers: Map<string, number>
  revision: number
  /** How often a life ended before its store was open. */
  early: number
}

describe(`a writer killed with -9 at random moments (${kills} times, seed ${seed})`, () => {
  test.concurrent.each(Array.from({ length: lanes }, (_, lane) => lane))(
    'loses nothing that it acknowledged, shows no half commit and adds nothing (folder %i)',
    { timeout: 30_000 + kills * 2_000 },
    async (lane) => {
      const folder = fs.mkdtempSync(path.join(root, 'folder-'))
      const random = seededRandom(seed * lanes + lane).float
      const known: Known = { numbers: new Map(), revision: 0, early: 0 }
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
        const store = await openFileStore(folder, { clock: systemClock, log: silentLog }, { snapshotAfterBytes: 64 << 10 })
        await check(store, known, what)
        await store.close()
      }
      expect(known.revision).toBeGreaterThan(kills / lanes)
      expect(known.early).toBeLessThan(kills / lanes)
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
