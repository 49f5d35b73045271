import { mkdir } from 'node:fs/promises'
import { withLock } from '../host/processes.ts'
import { ConfigError } from './config-file.ts'
import type { OperatorDeps } from './steps.ts'

/** Locks lie outside of clusters' own folders, which come and go while a lock is held. */
const folder = '/run/ownkube'
/** A boot takes seconds; one that has to install packages minutes. */
const waitMs = 5 * 60_000

/** One `up` or `down` at a time works on a cluster, from its first look to its last step; others wait, telling `say` for whom. */
export async function exclusively<T>(name: string, deps: OperatorDeps, say: (text: string) => void, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o711 })
  const other = (pid: number): string => `another ownkube command (process ${pid}) is working on cluster ${name}`
  return await withLock(
    `${folder}/.${name}.lock`,
    {
      waitMs,
      clock: deps.clock,
      waiting: (pid) => say(`${other(pid)}: waiting for it`),
      busy: (pid) => new ConfigError(`${other(pid)}: wait for it, or end it`),
    },
    work,
  )
}

/** One command at a time on this machine chooses a cluster's ports and addresses and writes them down, so that no two choose the same. */
export async function whileChoosing<T>(deps: OperatorDeps, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o711 })
  const busy = (pid: number) =>
    new ConfigError(`another ownkube command (process ${pid}) has been choosing ports and addresses for too long`)
  return await withLock(`${folder}/..lock`, { waitMs: 30_000, clock: deps.clock, busy }, work)
}
