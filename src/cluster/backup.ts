import { type Advertised, isServerKey, serversOf } from '../apiserver/server-addresses.ts'
import { backUpFolder, backUpStore, readBackup } from '../storage/backup.ts'
import { restoreFolder, restoreInto } from '../storage/restore.ts'
import type { Store } from '../storage/store.ts'
import type { ClusterConfig } from './config.ts'
import { readConfigIfThere } from './config-file.ts'
import { clusterRecordKey, type DatastoreDeps, openDatastore } from './datastore.ts'
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

/** A server goes on with what it has in memory, and would write it over what is restored. */
export class ServersRunningError extends Error {
  constructor(servers: readonly Advertised[]) {
    const names = servers.map(({ address, port }) => `${address}:${port}`).join(', ')
    super(
      `the datastore is being served by ${names}: take down every server of the cluster first ('ownkube down' on its machine). One that has died is forgotten within half a minute; --force restores all the same`,
    )
    this.name = 'ServersRunningError'
  }
}

export interface RestoreOptions {
  /** What is there may be replaced. */
  readonly overwrite: boolean
  /** Servers that seem to run do not matter. */
  readonly force: boolean
}

/** Puts the objects of a backup in the place of those of a cluster that is down, or of one that has not been booted yet. */
export async function restoreCluster(
  cluster: { dataDir: string; runDir: string },
  file: string,
  { overwrite, force }: RestoreOptions,
  deps: DatastoreDeps,
): Promise<{ keys: number }> {
  const { revision, entries: saved } = readBackup(file)
  // Whose keys sign, and who serves, is as it is here, not as it was there.
  const entries = saved.filter(({ entry }) => entry.key !== clusterRecordKey && !isServerKey(entry.key))
  const backup = { revision, entries }
  const options = { overwrite, nowMs: deps.clock.now() }
  const config = await readConfigIfThere(cluster.dataDir)
  if (config?.datastore) {
    await withDatastore(config, deps, async (store) => {
      const servers = await serversOf(store)
      if (servers.length > 0 && !force) throw new ServersRunningError(servers)
      await restoreInto(store, backup, options)
    })
  } else await restoreFolder(pathsOf(cluster).store, backup, { ...options, log: deps.log })
  return { keys: entries.length }
}

async function withDatastore<T>(config: ClusterConfig, deps: DatastoreDeps, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openDatastore(config, deps)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}
