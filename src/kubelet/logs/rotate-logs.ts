import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errorText } from '../../machinery/error-text.ts'
import type { PodDeps } from '../pod-deps.ts'
import type { PodManager } from '../pod-manager.ts'

const maxBytes = 10 * 2 ** 20
const maxFiles = 5
const lookMs = 10_000

/** Keeps running containers' logs at five files of 10 MiB each. One stat a running container every ten seconds. */
export async function rotateLogs({ runtime, clock, signal, log }: PodDeps, manager: PodManager): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal).catch(() => undefined) // aborted: the loop's condition sees it
    for (const { observed } of manager.list()) {
      for (const { id, state, logPath } of observed.containers) {
        if (state !== 'running' || !logPath || signal.aborted) continue
        try {
          if ((await sizeOf(logPath)) < maxBytes) continue
          await setAside(logPath, clock.now())
          await runtime.reopenContainerLog(id)
        } catch (error) {
          log.warn('log not rotated', { path: logPath, reason: errorText(error) })
        }
      }
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0
      throw error
    },
  )
}

/** `0.log` becomes `0.log.20260102-030405`; of these only the newest stay. */
export async function setAside(path: string, now: number): Promise<void> {
  const stamp = new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
  await rename(path, `${path}.${stamp}`)
  const old = await rotatedLogs(path)
  for (const file of old.slice(0, -(maxFiles - 1))) await rm(file, { force: true })
}

/** The files set aside from this log, oldest first. */
async function rotatedLogs(path: string): Promise<string[]> {
  const names = await readdir(dirname(path))
  return names
    .filter((name) => name.startsWith(`${basename(path)}.`))
    .sort()
    .map((name) => join(dirname(path), name))
}
