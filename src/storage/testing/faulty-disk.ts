import { type Disk, type DiskFile, systemDisk } from '../disk.ts'

/** A disk that fails on demand: while `failWith` is set, writes get half of their bytes onto the disk and then this error. */
export class FaultyDisk implements Disk {
  failWith: NodeJS.ErrnoException | undefined
  /** Syncs, creations and renames fail as well. */
  failEverything = false

  async create(path: string, options: { durable: boolean }): Promise<DiskFile> {
    this.#fail()
    return this.#wrap(await systemDisk.create(path, options))
  }
  async open(path: string): Promise<DiskFile> {
    return this.#wrap(await systemDisk.open(path))
  }
  async rename(from: string, to: string): Promise<void> {
    this.#fail()
    await systemDisk.rename(from, to)
  }
  remove(path: string): Promise<void> {
    return systemDisk.remove(path)
  }
  async syncDirectory(path: string): Promise<void> {
    this.#fail()
    await systemDisk.syncDirectory(path)
  }

  #fail(): void {
    if (this.failWith && this.failEverything) throw this.failWith
  }

  #wrap(file: DiskFile): DiskFile {
    return {
      write: async (bytes, position) => {
        if (!this.failWith) return file.write(bytes, position)
        await file.write(bytes.subarray(0, bytes.length >> 1), position)
        throw this.failWith
      },
      sync: async () => {
        this.#fail()
        await file.sync()
      },
      close: () => file.close(),
    }
  }
}

export function diskError(code: 'ENOSPC' | 'EIO'): NodeJS.ErrnoException {
  return Object.assign(new Error(code === 'ENOSPC' ? 'ENOSPC: no space left on device, write' : 'EIO: i/o error, write'), { code })
}
