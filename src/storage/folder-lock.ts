import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Keeps a folder to one process. The lock is the kernel's own (fcntl, by way of SQLite, for Node itself has no call for
 * it) on the file `lock`: it goes with the process however that ends, so nothing stale is ever left.
 */
export function lockFolder(directory: string): { release(): void } {
  const lock = new DatabaseSync(path.join(directory, 'lock'))
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new Error(
      `${directory} is in use by ${holder(directory)}: a store serves one process. Stop that one first, or use another folder`,
      {
        cause,
      },
    )
  }
  fs.writeFileSync(path.join(directory, 'lock.pid'), `${process.pid}\n`, { mode: 0o600 })
  return { release: () => lock.close() }
}

function holder(directory: string): string {
  try {
    return `process ${fs.readFileSync(path.join(directory, 'lock.pid'), 'utf8').trim()}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'another process'
    throw error
  }
}
