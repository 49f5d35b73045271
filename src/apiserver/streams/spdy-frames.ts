/**
 * SPDY/3.1 as container runtimes speak it: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
 * They count no windows: who reads slowly holds the other back by the connection itself.
 */

const synStreamType = 1
const rstStreamType = 3
const pingType = 6
const finFlag = 1
const version = 0x8003
const headBytes = 8
/** More than any control frame needs that a runtime sends. */
const maxControlBytes = 1 << 20
/** The most that goes into one data frame: the other end holds a frame in memory as a whole. */
const maxDataBytes = 64 << 10

export type SpdyFrame =
  | { readonly type: 'data'; readonly streamId: number; readonly data: Buffer; readonly isLast: boolean }
  | { readonly type: 'reset'; readonly streamId: number }
  | { readonly type: 'ping'; readonly id: number }

function controlFrame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt16BE(version, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt32BE(payload.length, 4) // no flags
  return Buffer.concat([head, payload])
}

/** Opens a stream. The header blocks of a connection are one zlib stream: `isFirst` begins it. Names must be in lower case. */
export function synStream(streamId: number, headers: Readonly<Record<string, string>>, isFirst: boolean): Buffer {
  const ids = Buffer.alloc(10) // stream, no associated stream, highest priority
  ids.writeUInt32BE(streamId, 0)
  return controlFrame(synStreamType, Buffer.concat([ids, zlibStored(headerBlock(headers), isFirst)]))
}

function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers)
  return Buffer.concat([uint32(entries.length), ...entries.flatMap(([name, value]) => [...counted(name), ...counted(value)])])
}

function counted(text: string): readonly [Buffer, Buffer] {
  const bytes = Buffer.from(text)
  return [uint32(bytes.length), bytes]
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/**
 * A block that deflate leaves as it is (RFC 1951, 3.2.4): headers this short are not worth a compressor's state. The empty block
 * after it is a flush: Go's reader gives out what came before only when it meets one.
 */
function zlibStored(bytes: Buffer, isFirst: boolean): Buffer {
  return Buffer.concat([...(isFirst ? [Buffer.of(0x78, 0x01)] : []), storedBlock(bytes), storedBlock(Buffer.alloc(0))])
}

function storedBlock(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt16LE(bytes.length, 1)
  head.writeUInt16LE(~bytes.length & 0xffff, 3)
  return Buffer.concat([head, bytes])
}

/** The frames that carry these bytes; with `isLast` nothing follows on that stream. */
export function dataFrames(streamId: number, data: Buffer, isLast = false): Buffer[] {
  const frames: Buffer[] = []
  for (let from = 0; from < data.length || frames.length === 0; from += maxDataBytes) {
    const part = data.subarray(from, from + maxDataBytes)
    const head = Buffer.alloc(headBytes)
    head.writeUInt32BE(streamId, 0)
    head.writeUInt32BE(part.length, 4)
    if (isLast && from + maxDataBytes >= data.length) head.writeUInt8(finFlag, 4)
    frames.push(head, part)
  }
  return frames
}

export const pingFrame = (id: number): Buffer => controlFrame(pingType, uint32(id))

/** Takes a connection's bytes apart, as they come: a data frame is passed on in pieces, before its end is there. */
export class SpdyReader {
  #pending: Buffer = Buffer.alloc(0)
  #data: { streamId: number; left: number; isLast: boolean } | undefined;

  /** Throws RangeError for a control frame that is longer than any can be. */
  *read(chunk: Buffer): Generator<SpdyFrame> {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk
    for (;;) {
      if (!this.#data) {
        if (this.#pending.length < headBytes) return
        const length = this.#pending.readUInt32BE(4) & 0xffffff
        if (this.#pending.readUInt8(0) & 0x80) {
          if (length > maxControlBytes) throw new RangeError(`a SPDY control frame of ${length} bytes`)
          if (this.#pending.length < headBytes + length) return
          const frame = controlOf(this.#pending.readUInt16BE(2), this.#take(headBytes + length).subarray(headBytes))
          if (frame) yield frame
          continue
        }
        const head = this.#take(headBytes)
        this.#data = { streamId: head.readUInt32BE(0), left: length, isLast: (head.readUInt8(4) & finFlag) !== 0 }
      }
      const { streamId, left, isLast } = this.#data
      if (left > 0 && this.#pending.length === 0) return
      const data = this.#take(Math.min(left, this.#pending.length))
      const rest = left - data.length
      this.#data = rest > 0 ? { streamId, left: rest, isLast } : undefined
      yield { type: 'data', streamId, data, isLast: isLast && rest === 0 }
    }
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }
}

/** Replies, settings and farewells say nothing that a client of these streams must know. */
function controlOf(type: number, payload: Buffer): SpdyFrame | undefined {
  if (payload.length < 4) return undefined
  if (type === rstStreamType) return { type: 'reset', streamId: payload.readUInt32BE(0) }
  return type === pingType ? { type: 'ping', id: payload.readUInt32BE(0) } : undefined
}
