import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { ApiWatchEvent } from '../machinery/api-request.ts'
import { encodedJsonOf, listedItemsOf } from './cached-object.ts'
import { isEncoded } from './watch-event.ts'

const gzipped = promisify(gzip)
/** Below this compression costs more than it saves: upstream's bound. */
const gzipFromBytes = 128 * 1024

type Fields = Readonly<Record<string, unknown>>

const comma = Buffer.from(',')
const listEnd = Buffer.from(']}')

/** JSON of an answer, made of bytes that the cache holds already wherever it can be. */
export function jsonBytes(object: object): Buffer {
  const whole = encodedJsonOf(object)
  if (whole) return whole
  const items = listedItemsOf(object)
  if (!items) return Buffer.from(JSON.stringify(object))
  const head = Object.fromEntries(Object.keys(object).flatMap((key) => (key === 'items' ? [] : [[key, (object as Fields)[key]]])))
  const pieces: Buffer[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)]
  for (const [index, item] of items.entries()) {
    if (index > 0) pieces.push(comma)
    pieces.push(...item.pieces())
  }
  pieces.push(listEnd)
  return Buffer.concat(pieces)
}

/** A batch of watch lines in one piece. */
export function watchBytes(events: readonly ApiWatchEvent[]): Buffer {
  const pieces: Buffer[] = []
  for (const event of events) {
    if (isEncoded(event)) pieces.push(event.line())
    else pieces.push(Buffer.from(`${JSON.stringify({ type: event.type, object: event.object })}\n`))
  }
  return pieces.length === 1 ? (pieces[0] as Buffer) : joined(pieces)
}

/** What was joined last: many who watch the same read the same lines one after the other. */
let lastJoined: { readonly pieces: readonly Buffer[]; readonly bytes: Buffer } | undefined
const joinedAtMost = 1 << 20

function joined(pieces: readonly Buffer[]): Buffer {
  const last = lastJoined
  if (last?.pieces.length === pieces.length && pieces.every((piece, i) => piece === last.pieces[i])) return last.bytes
  const bytes = Buffer.concat(pieces)
  lastJoined = bytes.byteLength <= joinedAtMost ? { pieces, bytes } : undefined
  return bytes
}

/** Large answers compressed, for those who take that. */
export async function compressed(bytes: Buffer, acceptEncoding: string): Promise<{ bytes: Buffer; encoding: 'gzip' | undefined }> {
  if (bytes.byteLength < gzipFromBytes || !/\bgzip\b/.test(acceptEncoding)) return { bytes, encoding: undefined }
  return { bytes: await gzipped(bytes, { level: constants.Z_BEST_SPEED }), encoding: 'gzip' }
}
