import { mkdir, stat, writeFile } from 'node:fs/promises'
import type { HostPathVolumeSource } from '../../api/generated/types.ts'
import { VolumeError } from './payload.ts'

/** Checks (or makes) what a hostPath volume says is there: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types */
export async function checkHostPath({ path, type = '' }: HostPathVolumeSource): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new VolumeError(`hostPath ${path}: ${error.message}`, { cause: error })
  })
  switch (type) {
    case '':
      // As container engines do for a bind mount whose source is missing.
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 })
      return
    case 'DirectoryOrCreate':
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 })
      else if (!found.isDirectory()) throw wrong('directory')
      return
    case 'FileOrCreate':
      if (!found) await writeFile(path, '', { mode: 0o644, flag: 'a' })
      else if (!found.isFile()) throw wrong('file')
      return
    case 'Directory':
      if (!found?.isDirectory()) throw wrong('directory')
      return
    case 'File':
      if (!found?.isFile()) throw wrong('file')
      return
    case 'Socket':
      if (!found?.isSocket()) throw wrong('socket file')
      return
    case 'CharDevice':
      if (!found?.isCharacterDevice()) throw wrong('character device')
      return
    case 'BlockDevice':
      if (!found?.isBlockDevice()) throw wrong('block device')
      return
    default:
      throw new VolumeError(`hostPath type check failed: ${type} is an invalid volume type`)
  }
  function wrong(what: string): VolumeError {
    return new VolumeError(`hostPath type check failed: ${path} is not a ${what}`)
  }
}
