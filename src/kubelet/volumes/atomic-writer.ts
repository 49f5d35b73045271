import { chmod, chown, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Files of a volume by their path inside it. */
export type Payload = ReadonlyMap<string, { readonly data: Uint8Array; readonly mode: number }>

const dataLink = '..data'

/**
 * Makes a folder hold exactly these files, all at once: they lie in a fresh folder behind the `..data` link, whose renaming switches
 * readers from the old set to the new one. `stamp` must differ from call to call. Answers whether anything changed.
 */
export async function writeAtomically(
  folder: string,
  payload: Payload,
  options: { stamp: string; gid?: number | undefined },
): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const previous = await linkTarget(join(folder, dataLink))
  if (previous !== undefined && (await holds(join(folder, previous), payload))) return false
  const fresh = `..${options.stamp}`
  await rm(join(folder, fresh), { recursive: true, force: true })
  await mkdir(join(folder, fresh), { mode: 0o755 })
  for (const [path, { data, mode }] of payload) {
    const file = join(folder, fresh, path)
    await mkdir(dirname(file), { recursive: true, mode: 0o755 })
    await writeFile(file, data, { mode })
    await chmod(file, options.gid === undefined ? mode : mode | ((mode & 0o400) >> 3)) // past the umask
    if (options.gid !== undefined) await chown(file, 0, options.gid)
  }
  if (options.gid !== undefined) await chown(join(folder, fresh), 0, options.gid)
  const temporary = join(folder, '..data_tmp')
  await rm(temporary, { force: true })
  await symlink(fresh, temporary)
  await rename(temporary, join(folder, dataLink))
  await linkVisible(folder, payload)
  if (previous !== undefined && previous !== fresh) await rm(join(folder, previous), { recursive: true, force: true })
  return true
}

/** Links the first part of each path through `..data`, and removes links to what is gone. */
async function linkVisible(folder: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/', 1)[0]!))
  const present = new Set((await readdir(folder)).filter((name) => !name.startsWith('..')))
  for (const name of wanted) if (!present.has(name)) await symlink(join(dataLink, name), join(folder, name))
  for (const name of present) if (!wanted.has(name)) await unlink(join(folder, name))
}

async function linkTarget(path: string): Promise<string | undefined> {
  return readlink(path).catch(ifMissing(undefined))
}

async function holds(folder: string, payload: Payload): Promise<boolean> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(ifMissing([]))
  if (files.filter((entry) => entry.isFile()).length !== payload.size) return false
  for (const [path, { data, mode }] of payload) {
    const file = join(folder, path)
    const there = await readFile(file).catch(ifMissing(undefined))
    if (!there?.equals(data) || ((await lstat(file)).mode & 0o700) !== (mode & 0o700)) return false
  }
  return true
}

function ifMissing<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value
    throw error
  }
}
