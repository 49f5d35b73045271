import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { backUpFolder, readBackup } from '../storage/backup.ts'
import { restoreFolder } from '../storage/restore.ts'
import { pathsOf } from './paths.ts'

/** Saves the objects of a cluster, running or not, as one file. */
export async function backUpCluster(
  cluster: { dataDir: string; runDir: string },
  file: string,
  deps: { log: Log },
): Promise<{ revision: number; keys: number; bytes: number }> {
  return await backUpFolder(pathsOf(cluster).store, file, deps)
}

/** Puts the objects of a backup in the place of those of a cluster that is down, or of one that has not been booted yet. */
export async function restoreCluster(
  cluster: { dataDir: string; runDir: string },
  file: string,
  options: { overwrite: boolean },
  deps: { clock: Clock; log: Log },
): Promise<{ keys: number }> {
  const backup = readBackup(file)
  await restoreFolder(pathsOf(cluster).store, backup, { ...options, nowMs: deps.clock.now(), log: deps.log })
  return { keys: backup.entries.length }
}
