import { watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Clock } from '../../host/clock.ts'
import { parseLogLine } from './log-line.ts'

export interface LogQuery {
  follow: boolean
  /** Show each line's time before it. */
  timestamps: boolean
  /** The last lines only. */
  tailLines?: number
  /** Lines from this time on, milliseconds since the epoch. */
  sinceMs?: number
  limitBytes?: number
  stream?: 'stdout' | 'stderr'
}

const chunkBytes = 65_536
/** A follower looks this often whether its container still runs. */
const lookMs = 1000

/**
 * The text of a CRI log file, entries joined to lines. With `follow` it goes on, over rotations, until the container has ended
 * (`isRunning` says) and its last line is read, or until the signal ends it.
 */
export async function* readLog(
  path: string,
  query: LogQuery,
  deps: { clock: Clock; signal: AbortSignal; isRunning: () => Promise<boolean> },
): AsyncGenerator<string> {
  const render = renderer(query)
  let left = query.limitBytes ?? Number.POSITIVE_INFINITY
  for await (const line of linesOf(path, query, deps)) {
    const text = render(line)
    if (text === '') continue
    const bytes = Buffer.byteLength(text)
    if (bytes >= left) {
      yield Buffer.from(text).subarray(0, left).toString()
      return
    }
    left -= bytes
    yield text
  }
}

/** Filters entries and puts times where lines begin. */
function renderer({ timestamps, sinceMs, stream }: LogQuery): (line: string) => string {
  const midLine = new Set<string>()
  return (line) => {
    const entry = parseLogLine(line)
    if (!entry || (stream && entry.stream !== stream)) return ''
    if (sinceMs !== undefined && Date.parse(entry.time) < sinceMs) return ''
    const begins = !midLine.has(entry.stream)
    if (entry.partial) midLine.add(entry.stream)
    else midLine.delete(entry.stream)
    return timestamps && begins ? `${entry.time} ${entry.text}` : entry.text
  }
}

async function* linesOf(
  path: string,
  { follow, tailLines }: LogQuery,
  { clock, signal, isRunning }: { clock: Clock; signal: AbortSignal; isRunning: () => Promise<boolean> },
): AsyncGenerator<string> {
  let file = await openIfThere(path)
  const changes = follow ? watchFile(path) : undefined
  try {
    let position = file && tailLines !== undefined ? await tailStart(file, tailLines) : 0
    let rest: Buffer = Buffer.alloc(0)
    for (;;) {
      // Asked before reading: what the container wrote before it ended is then surely read.
      const running = follow && (await isRunning())
      const rotated = file && follow && (await isOtherFile(file, path))
      while (file) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position)
        if (bytesRead === 0) break
        position += bytesRead
        const data: Buffer = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
        const end = data.lastIndexOf(10)
        rest = data.subarray(end + 1)
        if (end >= 0) yield* data.subarray(0, end).toString().split('\n')
        if (signal.aborted) return
      }
      if (rotated || (!file && follow)) {
        const next = await openIfThere(path)
        if (next) {
          await file?.close()
          file = next
          position = 0
          rest = Buffer.alloc(0)
          continue
        }
      }
      if (!running || signal.aborted) return
      await changes?.next(clock, signal)
    }
  } finally {
    changes?.close()
    await file?.close()
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

async function isOtherFile(file: FileHandle, path: string): Promise<boolean> {
  const [opened, named] = await Promise.all([
    file.stat(),
    stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    }),
  ])
  return named !== undefined && named.ino !== opened.ino
}

/** Where the last `lines` lines begin. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat()
  if (lines <= 0) return size
  let left = lines
  let end = size
  while (end > 0) {
    const start = Math.max(0, end - chunkBytes)
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    for (let at = buffer.length - 1; at >= 0; at--) {
      if (buffer[at] !== 10 || start + at === size - 1) continue
      if (--left === 0) return start + at + 1
    }
    end = start
  }
  return 0
}

/** Resolves `next` when the file (or its successor of the same name) changes, and from time to time anyway. */
function watchFile(path: string): { next: (clock: Clock, signal: AbortSignal) => Promise<void>; close: () => void } {
  let changed = false
  let wake = (): void => {}
  const watcher = watch(dirname(path), { persistent: false }, (_, name) => {
    if (name !== null && name !== basename(path)) return
    changed = true
    wake()
  })
  return {
    close: () => watcher.close(),
    async next(clock, signal) {
      if (!changed) {
        const stop = new AbortController()
        wake = () => stop.abort()
        await clock.sleep(lookMs, AbortSignal.any([stop.signal, signal])).catch(() => undefined) // woken early: as good
      }
      changed = false
    },
  }
}
