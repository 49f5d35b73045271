import { endianness } from 'node:os'
import { type Libc, SystemCallError } from '../../host/libc.ts'

/** A raw netlink socket of netfilter's family in one network namespace. Requests are answered before `send` returns, so nothing waits. */
export interface NetlinkSocket {
  /** Told by the kernel in each notification that this socket's changes cause. */
  readonly portId: number
  send(bytes: Uint8Array): void
  /** The next datagram (valid until the next call), nothing, or `lost`: the kernel had more to tell than the buffer holds. */
  receive(): Buffer | 'lost' | undefined
  join(group: number): void
  leave(group: number): void
  /** Drops, in the kernel, what the socket of this port id caused. */
  ignorePortId(portId: number): void
  whenReadable(run: () => void): () => void
  close(): void
}

export interface NetlinkSocketOptions {
  /** A file of the network namespace (/run/netns/x, /proc/PID/ns/net); the thread's own by default. */
  namespace?: string | undefined
  receiveBufferBytes?: number
}

const netlinkFamily = 16
const rawSocket = 3
const closeOnExec = 0o2000000
const netfilterProtocol = 12
const socketLevel = { level: 1, attachFilter: 26, sendBufferForce: 32, receiveBufferForce: 33 }
const netlinkLevel = { level: 270, addMembership: 1, dropMembership: 2, capAck: 10, extendedAck: 11 }
/** Larger than any datagram of a dump (the kernel fills 32 KiB at most, and one message is never longer than 64 KiB). */
const datagramBytes = 256 * 1024

export function openNetfilterSocket(libc: Libc, options: NetlinkSocketOptions = {}): NetlinkSocket {
  if (endianness() !== 'LE') throw new Error('netlink messages are written for little-endian machines only')
  const open = (): number => libc.socket(netlinkFamily, rawSocket | closeOnExec, netfilterProtocol)
  const fd = options.namespace === undefined ? open() : libc.inNetworkNamespace(options.namespace, open)
  try {
    libc.setsockopt(fd, socketLevel.level, socketLevel.receiveBufferForce, options.receiveBufferBytes ?? 4 * 1024 * 1024)
    // Errors name the attribute at fault, and do not repeat the whole message.
    libc.setsockopt(fd, netlinkLevel.level, netlinkLevel.capAck, 1)
    libc.setsockopt(fd, netlinkLevel.level, netlinkLevel.extendedAck, 1)
    return new OpenSocket(libc, fd, bindAnywhere(libc, fd))
  } catch (error) {
    libc.close(fd)
    throw error
  }
}

/** Binds to a port id of the kernel's choice, and answers which. */
function bindAnywhere(libc: Libc, fd: number): number {
  const address = Buffer.alloc(12)
  address.writeUInt16LE(netlinkFamily, 0)
  libc.bind(fd, address)
  libc.getsockname(fd, address)
  return address.readUInt32LE(4)
}

class OpenSocket implements NetlinkSocket {
  readonly portId: number
  readonly #libc: Libc
  readonly #fd: number
  readonly #datagram = Buffer.alloc(datagramBytes)
  #sendBufferBytes = 0

  constructor(libc: Libc, fd: number, portId: number) {
    this.#libc = libc
    this.#fd = fd
    this.portId = portId
  }

  send(bytes: Uint8Array): void {
    // A batch goes as one datagram, which the kernel refuses where it is longer than the send buffer.
    if (bytes.length + 1024 > this.#sendBufferBytes) {
      this.#sendBufferBytes = Math.max(256 * 1024, bytes.length + 1024)
      this.#libc.setsockopt(this.#fd, socketLevel.level, socketLevel.sendBufferForce, this.#sendBufferBytes)
    }
    const sent = this.#libc.send(this.#fd, bytes)
    if (sent !== bytes.length) throw new Error(`netlink took ${sent} of ${bytes.length} bytes`)
  }

  receive(): Buffer | 'lost' | undefined {
    try {
      const length = this.#libc.recv(this.#fd, this.#datagram)
      if (length === undefined) return undefined
      return length > this.#datagram.length ? 'lost' : this.#datagram.subarray(0, length)
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENOBUFS') return 'lost'
      throw error
    }
  }

  join(group: number): void {
    this.#libc.setsockopt(this.#fd, netlinkLevel.level, netlinkLevel.addMembership, group)
  }

  leave(group: number): void {
    this.#libc.setsockopt(this.#fd, netlinkLevel.level, netlinkLevel.dropMembership, group)
  }

  ignorePortId(portId: number): void {
    // Classic BPF, four instructions: load the word at 12 (the port id, which loads read in network byte order), and keep all but the given.
    const swapped = Buffer.alloc(4)
    swapped.writeUInt32LE(portId)
    const program = Buffer.concat([
      instruction(0x20, 0, 0, 12),
      instruction(0x15, 0, 1, swapped.readUInt32BE()),
      instruction(0x06, 0, 0, 0),
      instruction(0x06, 0, 0, 0xffffffff),
    ])
    const filter = Buffer.alloc(16)
    filter.writeUInt16LE(program.length / 8)
    filter.writeBigUInt64LE(this.#libc.address(program), 8)
    this.#libc.setsockopt(this.#fd, socketLevel.level, socketLevel.attachFilter, filter)
    // Referenced until here, since the kernel reads it by address.
    program.fill(0)
  }

  whenReadable(run: () => void): () => void {
    return this.#libc.whenReadable(this.#fd, run)
  }

  close(): void {
    this.#libc.close(this.#fd)
  }
}

/** struct sock_filter */
function instruction(code: number, ifTrue: number, ifFalse: number, operand: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code)
  bytes[2] = ifTrue
  bytes[3] = ifFalse
  bytes.writeUInt32LE(operand, 4)
  return bytes
}
