import { arch } from 'node:os'
import { addressBytes } from '../../src/bpf/socket-maps.ts'
import { type Libc, loadLibc } from '../../src/host/libc.ts'

const families = { four: 2, six: 10 }
const raw = 3
const sctp = 132
const ipv4HeaderAt = { length: 0, source: 12 }

/** An SCTP packet as a raw socket got it. Kernels without sockets of SCTP still translate its packets. */
interface GotPacket {
  readonly to: number
  readonly isIntact: boolean
}

/** A raw socket of SCTP in a network namespace. */
export class SctpSocket {
  readonly #libc: Libc
  readonly #fd: number
  readonly #six: boolean

  constructor(namespace: string, six: boolean) {
    const libc = loadLibc()
    if (!libc) throw new Error('no system calls here')
    this.#libc = libc
    this.#six = six
    this.#fd = libc.inNetworkNamespace(`/run/netns/${namespace}`, () => libc.socket(six ? families.six : families.four, raw, sctp))
  }

  /** Sends the first packet of an association. */
  sendInit(address: string, from: number, to: number): void {
    const place = new Uint8Array(this.#six ? 28 : 16)
    place[0] = this.#six ? families.six : families.four
    const bytes = addressBytes(address)
    if (this.#six) place.set(bytes, 8)
    else place.set(bytes.subarray(12), 4)
    this.#libc.syscall('connect', arch() === 'arm64' ? 203 : 42, this.#fd, place, place.length)
    this.#libc.send(this.#fd, initPacket(from, to))
  }

  /** What has come since the last call. */
  received(): GotPacket[] {
    const found: GotPacket[] = []
    const buffer = new Uint8Array(2_048)
    for (;;) {
      const length = this.#libc.recv(this.#fd, buffer)
      if (length === undefined) return found
      const header = this.#six ? 0 : ((buffer[ipv4HeaderAt.length] as number) & 15) * 4
      const packet = buffer.slice(header, length)
      const view = new DataView(packet.buffer)
      const sum = view.getUint32(8, true)
      view.setUint32(8, 0)
      found.push({ to: view.getUint16(2), isIntact: sum === crc32c(packet) })
    }
  }

  close(): void {
    this.#libc.close(this.#fd)
  }
}

/** RFC 9260: a common header and one INIT chunk. */
function initPacket(from: number, to: number): Uint8Array {
  const packet = new Uint8Array(32)
  const view = new DataView(packet.buffer)
  view.setUint16(0, from)
  view.setUint16(2, to)
  view.setUint8(12, 1) // INIT
  view.setUint16(14, 20) // the chunk's length
  view.setUint32(16, 0x1234_5678) // its tag
  view.setUint32(20, 65_536) // window
  view.setUint16(24, 1) // streams, out and in
  view.setUint16(26, 1)
  view.setUint32(28, 1) // the first number
  view.setUint32(8, crc32c(packet), true)
  return packet
}

/** Castagnoli's, which SCTP takes. */
function crc32c(bytes: Uint8Array): number {
  let sum = 0xffff_ffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f6_3b78 : 0)
  }
  return (sum ^ 0xffff_ffff) >>> 0
}
