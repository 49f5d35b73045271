/**
 * Netlink messages, written and read. A message is a header (length, type, flags, sequence, port id; host byte order), the four bytes of
 * netfilter's own header (family, version, resource; network byte order) and attributes: length, type, payload, each padded to four bytes,
 * which may hold attributes in turn.
 */

/** Bytes as text, one character a byte: compact, comparable with `===`, and a key for a Map. */
export type Bytes = string

export const messageFlags = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  root: 0x100,
  dump: 0x300,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** Of an error: attributes that say more follow. */
  toldMore: 0x200,
} as const
export const messageTypes = { error: 2, done: 3 } as const

const headerLength = 16
const netfilterHeaderLength = 4
const nested = 0x8000
const typeMask = 0x3fff

const smallBytes = 16 * 1024

export class MessageWriter {
  /** Has its memory to itself. */
  #bytes: Buffer<ArrayBuffer>
  #length = 0

  constructor(capacity = smallBytes) {
    this.#bytes = Buffer.alloc(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** What was written; valid until the next write. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
    // What one large batch needed is not kept for the small ones that follow.
    if (this.#bytes.length > 64 * 1024) this.#resize(smallBytes)
  }

  /** Begins a message of a netfilter subsystem; the answer is for {@link end}. */
  begin(type: number, flags: number, sequence: number, family: number, resource = 0): number {
    const start = this.#grow(headerLength + netfilterHeaderLength)
    const bytes = this.#bytes
    bytes.writeUInt16LE(type, start + 4)
    bytes.writeUInt16LE(flags, start + 6)
    bytes.writeUInt32LE(sequence, start + 8)
    bytes.writeUInt32LE(0, start + 12)
    bytes[start + 16] = family
    bytes[start + 17] = 0
    bytes.writeUInt16BE(resource, start + 18)
    return start
  }

  end(start: number): void {
    this.#bytes.writeUInt32LE(this.#length - start, start)
  }

  addFlags(start: number, flags: number): void {
    this.#bytes.writeUInt16LE(this.#bytes.readUInt16LE(start + 6) | flags, start + 6)
  }

  nest(type: number): number {
    return this.#attribute(type | nested, 0) - 4
  }

  endNest(start: number): void {
    this.#bytes.writeUInt16LE(this.#length - start, start)
  }

  u8(type: number, value: number): void {
    const at = this.#attribute(type, 1)
    this.#bytes[at] = value
  }

  u16(type: number, value: number): void {
    const at = this.#attribute(type, 2)
    this.#bytes.writeUInt16BE(value, at)
  }

  /** Signed values are written by their low 32 bits. */
  u32(type: number, value: number): void {
    const at = this.#attribute(type, 4)
    this.#bytes.writeUInt32BE(value >>> 0, at)
  }

  u64(type: number, value: number): void {
    const at = this.#attribute(type, 8)
    this.#bytes.writeBigUInt64BE(BigInt(value), at)
  }

  raw(type: number, value: Bytes): void {
    const at = this.#attribute(type, value.length)
    for (let index = 0; index < value.length; index++) this.#bytes[at + index] = value.charCodeAt(index)
  }

  text(type: number, value: string): void {
    const length = Buffer.byteLength(value)
    const at = this.#attribute(type, length + 1)
    this.#bytes.write(value, at)
    this.#bytes[at + length] = 0
  }

  /** Where the payload goes. May put a larger buffer in place of {@link #bytes}: so first this, then the write. */
  #attribute(type: number, length: number): number {
    const padded = (length + 3) & ~3
    const start = this.#grow(4 + padded)
    const bytes = this.#bytes
    bytes.writeUInt16LE(4 + length, start)
    bytes.writeUInt16LE(type, start + 2)
    // Old bytes of the reused buffer must not become padding.
    if (padded !== length) bytes.fill(0, start + 4 + length, start + 4 + padded)
    return start + 4
  }

  #grow(length: number): number {
    const start = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) this.#resize(Math.max(this.#length, this.#bytes.length * 2))
    return start
  }

  /** The memory moves, so that what is given up is free at once: to the collector of garbage, many MB are one small object. */
  #resize(length: number): void {
    this.#bytes = Buffer.from(this.#bytes.buffer.transfer(length))
  }
}

export interface Message {
  type: number
  flags: number
  sequence: number
  portId: number
  /** Of netfilter's header: the address family and the resource (the low half of the rule set's generation). */
  family: number
  resource: number
  /** The message itself with its header, which is what error offsets count from. */
  bytes: Buffer
  attributes: Attributes
  /** Of an answer that says how a request went: 0 is well. */
  errno: number | undefined
}

/** Messages of one datagram. What does not hold together ends the list: a kernel never sends it, and nothing can be made of the rest. */
export function messagesIn(datagram: Buffer): Message[] {
  const messages: Message[] = []
  for (let at = 0; at + headerLength <= datagram.length; ) {
    const length = datagram.readUInt32LE(at)
    if (length < headerLength || at + length > datagram.length) break
    const bytes = datagram.subarray(at, at + length)
    const whole = length >= headerLength + netfilterHeaderLength
    const type = bytes.readUInt16LE(4)
    messages.push({
      type,
      flags: bytes.readUInt16LE(6),
      sequence: bytes.readUInt32LE(8),
      portId: bytes.readUInt32LE(12),
      family: whole ? (bytes[16] as number) : 0,
      resource: whole ? bytes.readUInt16BE(18) : 0,
      bytes,
      attributes: attributesIn(bytes, headerLength + netfilterHeaderLength),
      errno: type === messageTypes.error && whole ? -bytes.readInt32LE(headerLength) : undefined,
    })
    at += (length + 3) & ~3
  }
  return messages
}

/** Attributes by type: payloads, each a view. Ill-formed ones end the list. */
export function attributesIn(bytes: Buffer, start = 0): Attributes {
  return new Attributes(bytes, start)
}

export class Attributes {
  readonly list: readonly { type: number; payload: Buffer }[]

  constructor(bytes: Buffer, start: number) {
    const list: { type: number; payload: Buffer }[] = []
    for (let at = start; at + 4 <= bytes.length; ) {
      const length = bytes.readUInt16LE(at)
      if (length < 4 || at + length > bytes.length) break
      list.push({ type: bytes.readUInt16LE(at + 2) & typeMask, payload: bytes.subarray(at + 4, at + length) })
      at += (length + 3) & ~3
    }
    this.list = list
  }

  payload(type: number): Buffer | undefined {
    for (const attribute of this.list) if (attribute.type === type) return attribute.payload
    return undefined
  }

  nested(type: number): Attributes | undefined {
    const payload = this.payload(type)
    return payload === undefined ? undefined : attributesIn(payload)
  }

  u8(type: number): number | undefined {
    const payload = this.payload(type)
    return payload === undefined || payload.length < 1 ? undefined : payload[0]
  }

  u16(type: number): number | undefined {
    const payload = this.payload(type)
    return payload === undefined || payload.length < 2 ? undefined : payload.readUInt16BE(0)
  }

  u32(type: number): number | undefined {
    const payload = this.payload(type)
    return payload === undefined || payload.length < 4 ? undefined : payload.readUInt32BE(0)
  }

  /** Exact below 2^53, which counters of packets and bytes stay under. */
  u64(type: number): number | undefined {
    const payload = this.payload(type)
    return payload === undefined || payload.length < 8 ? undefined : Number(payload.readBigUInt64BE(0))
  }

  raw(type: number): Bytes | undefined {
    return this.payload(type)?.toString('latin1')
  }

  text(type: number): string | undefined {
    const payload = this.payload(type)
    if (payload === undefined) return undefined
    const end = payload.indexOf(0)
    return payload.toString('utf8', 0, end < 0 ? payload.length : end)
  }
}
