import { backUpFolder, backUpStore, readBackup } from '../storage/backup.ts'
import { restoreFolder, restoreInto } from '../storage/restore.ts'
import type { Store } from '../storage/store.ts'
import type { ClusterConfig } from './config.ts'
import { readConfigIfThere } from './config-file.ts'
import { type DatastoreDeps, openDatastore } from './datastore.ts'
import { pathsOf } from './paths.ts'

/** Saves the objects of a cluster, running or not, as one file. */
export async function backUpCluster(
  cluster: ClusterConfig,
  file: string,
  deps: DatastoreDeps,
): Promise<{ revision: number; keys: number; bytes: number }> {
  if (cluster.datastore) return await withDatastore(cluster, deps, (store) => backUpStore(store, file))
  return await backUpFolder(pathsOf(cluster).store, file, deps)
}

/** Puts the objects of a backup in the place of those of a cluster that is down, or of one that has not been booted yet. */
export async function restoreCluster(
  cluster: { dataDir: string; runDir: string },
  file: string,
  options: { overwrite: boolean },
  deps: DatastoreDeps,
): Promise<{ keys: number }> {
  const backup = readBackup(file)
  const nowMs = deps.clock.now()
  const config = await readConfigIfThere(cluster.dataDir)
  if (config?.datastore) await withDatastore(config, deps, (store) => restoreInto(store, backup, { ...options, nowMs }))
  else await restoreFolder(pathsOf(cluster).store, backup, { ...options, nowMs, log: deps.log })
  return { keys: backup.entries.length }
}

async function withDatastore<T>(config: ClusterConfig, deps: DatastoreDeps, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openDatastore(config, deps)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}
