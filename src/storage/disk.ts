import fs from 'node:fs'
import { promisify } from 'node:util'

/** The writing side of a file system, as narrow as the file store needs it: the seam at which tests make disks fail. */
export interface Disk {
  /** A new, empty file, readable by its owner only. `durable`: each write resolves once its bytes are safe. */
  create(path: string, options: { durable: boolean }): Promise<DiskFile>
  /** An existing file, for durable writes. */
  open(path: string): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in a folder safe. */
  syncDirectory(path: string): Promise<void>
}

export interface DiskFile {
  /** All of `bytes` at `position`, or an error: then some of them may be there. */
  write(bytes: Uint8Array, position: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

const { O_CREAT, O_DIRECTORY, O_DSYNC, O_RDONLY, O_TRUNC, O_WRONLY } = fs.constants
const open = promisify(fs.open)
const close = promisify(fs.close)
const fsync = promisify(fs.fsync)

export const systemDisk: Disk = {
  async create(path, { durable }) {
    return systemFile(await open(path, O_WRONLY | O_CREAT | O_TRUNC | (durable ? O_DSYNC : 0), 0o600))
  },
  async open(path) {
    return systemFile(await open(path, O_WRONLY | O_DSYNC))
  },
  rename: promisify(fs.rename),
  remove: promisify(fs.unlink),
  async syncDirectory(path) {
    const fd = await open(path, O_RDONLY | O_DIRECTORY)
    try {
      await fsync(fd)
    } finally {
      await close(fd)
    }
  },
}

/** With O_DSYNC one trip to the disk and to libuv's threads does what write and fdatasync would do in two: twice the rate for a lone writer. */
function systemFile(fd: number): DiskFile {
  return {
    write(bytes, position) {
      return new Promise((resolve, reject) => {
        const from = (done: number): void =>
          fs.write(fd, bytes, done, bytes.byteLength - done, position + done, (error, written) => {
            if (error) reject(error)
            else if (done + written < bytes.byteLength) from(done + written)
            else resolve()
          })
        from(0)
      })
    },
    sync: () => fsync(fd),
    close: () => close(fd),
  }
}
