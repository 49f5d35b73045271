import { readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../host/log.ts'

/** Removes a pod's emptied cgroup from every hierarchy, of version 1 and 2 alike. */
export async function removeCgroup(path: string, log: Log, root = '/sys/fs/cgroup'): Promise<void> {
  const hierarchies = await readdir(root, { withFileTypes: true }).catch(() => []) // no cgroups here at all: nothing to remove
  const places = [root, ...hierarchies.filter((entry) => entry.isDirectory()).map(({ name }) => join(root, name))]
  for (const place of places) await removeTree(join(place, path), log)
}

async function removeTree(folder: string, log: Log): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (!entries) return
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name), log)
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') log.warn('cgroup not removed', { folder, error })
  })
}
