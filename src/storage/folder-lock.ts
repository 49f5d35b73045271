import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Keeps a folder to one process. The lock is the kernel's own (fcntl, by way of SQLite, for Node itself has no call for
 * it) on the file `lock`: it goes with the process however that ends, so nothing stale is ever left.
 */
export function lockFolder(directory: string): { release(): void } {
  let lock: DatabaseSync | undefined
  try {
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    lock = new DatabaseSync(path.join(directory, 'lock'))
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    fs.writeFileSync(path.join(directory, 'lock.pid'), `${process.pid}\n`, { mode: 0o600 })
  } catch (cause) {
    lock?.close()
    const message =
      (cause as { errcode?: number }).errcode === busy
        ? `${directory} is in use by ${holder(directory)}: a store serves one process. Stop that one first, or use another folder`
        : `${directory} cannot be used as a store: ${(cause as Error).message}. It must be a folder that this user may read and write`
    throw new Error(message, { cause })
  }
  return { release: () => lock.close() }
}

/** SQLITE_BUSY. */
const busy = 5

function holder(directory: string): string {
  try {
    return `process ${fs.readFileSync(path.join(directory, 'lock.pid'), 'utf8').trim()}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'another process'
    throw error
  }
}
