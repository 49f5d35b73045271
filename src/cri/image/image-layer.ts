import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import { type Blob, fileBlob, memoryBlob } from './oci-image.ts'

/** One thing in a layer; paths are absolute in the image. */
export type LayerEntry =
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  /** A file of this machine: read when the layer is written. */
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly source: string; readonly size: number }
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }

/** Everything in a folder, as entries beneath `to`. Modes keep only who may run it: a checkout's umask is no part of an image. */
export async function folderEntries(folder: string, to: string, skip: (relative: string) => boolean): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = []
  async function walk(relative: string): Promise<void> {
    for (const name of await readdir(join(folder, relative))) {
      const inner = posix.join(relative, name)
      if (skip(inner)) continue
      const source = join(folder, inner)
      const info = await lstat(source)
      const path = posix.join('/', to, inner)
      if (info.isDirectory()) {
        entries.push({ type: 'directory', path, mode: 0o755 })
        await walk(inner)
      } else if (info.isSymbolicLink()) entries.push({ type: 'symlink', path, target: await readlink(source) })
      else if (info.isFile()) entries.push({ type: 'file', path, mode: info.mode & 0o100 ? 0o755 : 0o644, source, size: info.size })
      else throw new Error(`${source} is no file, folder or symbolic link: it can't go into an image`)
    }
  }
  await walk('')
  return entries
}

/**
 * Writes a layer, uncompressed, with folders before what is in them, names sorted, everything root's and of 1970:
 * the same entries give the same bytes. With `output` it goes to that file, else it stays in memory.
 */
export async function writeLayer(entries: readonly LayerEntry[], output?: string): Promise<Blob> {
  const pack = tar.pack()
  const packed = pack as unknown as AsyncIterable<Buffer> // its types leave out that it is one
  const hash = createHash('sha256')
  let size = 0
  const chunks: Buffer[] = []
  const hashed = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk)
      size += chunk.length
      if (output === undefined) chunks.push(chunk)
      else yield chunk
    }
  }
  const written = output === undefined ? drain(hashed(packed)) : pipeline(packed, hashed, createWriteStream(output))
  const filled = packAll(pack, entries).catch((error: unknown) => {
    pack.destroy(error as Error)
    throw error
  })
  await Promise.all([filled, written])
  return output === undefined ? memoryBlob(Buffer.concat(chunks)) : fileBlob(output, `sha256:${hash.digest('hex')}`, size)
}

async function drain(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}

async function packAll(pack: tar.Pack, entries: readonly LayerEntry[]): Promise<void> {
  for (const entry of withParents(entries)) {
    const head = { name: entry.path.replace(/^\/+/, ''), uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0) }
    if (entry.type === 'directory') pack.entry({ ...head, name: `${head.name}/`, type: 'directory', mode: entry.mode })
    else if (entry.type === 'symlink') pack.entry({ ...head, type: 'symlink', linkname: entry.target, mode: 0o777 })
    else if ('data' in entry) pack.entry({ ...head, type: 'file', mode: entry.mode }, Buffer.from(entry.data))
    else await pipeline(createReadStream(entry.source), pack.entry({ ...head, type: 'file', mode: entry.mode, size: entry.size }))
  }
  pack.finalize()
}

/** Sorted, the last of two with one path taken, folders that nobody named added. */
function withParents(entries: readonly LayerEntry[]): LayerEntry[] {
  const byPath = new Map<string, LayerEntry>()
  for (const entry of entries) {
    const path = posix.normalize(entry.path)
    for (let parent = posix.dirname(path); parent !== '/'; parent = posix.dirname(parent)) {
      if (!byPath.has(parent)) byPath.set(parent, { type: 'directory', path: parent, mode: 0o755 })
    }
    if (path !== '/') byPath.set(path, { ...entry, path })
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}
