/**
 * The load of the data path bench: bare system calls, one after the other on one thread, so that nearly all of the time is the kernel's
 * path. It enters the network namespace that it is told for each burst.
 */
import { loadLibc, SystemCallError } from '../../src/host/libc.ts'
import { monotonicMs, percentile } from '../statistics.ts'

export interface Burst {
  readonly namespace: string
  /** `address:port`, taken in turn. */
  readonly targets: readonly string[]
  readonly ms: number
  /** `connect`: connections, one after the other. `bulk`: bytes over a single one. */
  readonly what: 'connect' | 'bulk'
}

export interface BurstResult {
  /**
   * Connections, or MiB, a second. Connections by the median time that one takes from opening to closing: where others share the processor,
   * what is counted in a second says more about them.
   */
  readonly perSecond: number
  /** Of a connection, microseconds. */
  readonly p50: number
  readonly p99: number
}

const libc = loadLibc((reason) => {
  throw new Error(`the data path bench needs system calls: ${reason}`)
})!
const numbers: Record<string, { connect: number; close: number; write: number }> = {
  x64: { connect: 42, close: 3, write: 1 },
  arm64: { connect: 203, close: 57, write: 64 },
}
const calls = numbers[process.arch]
if (!calls) throw new Error(`the numbers of system calls on ${process.arch} are not known here`)
const inet = 2
const stream = 1
/** SO_LINGER for no time: closing resets, so that no connection lingers in TIME_WAIT. */
const linger = { level: 1, option: 13, value: new Uint8Array(Int32Array.of(1, 0).buffer) }
const payload = new Uint8Array(256 * 1024)
const warmUp = 20

/** struct sockaddr_in. */
function socketAddress(target: string): Uint8Array {
  const [address, port] = target.split(':') as [string, string]
  const bytes = new Uint8Array(16)
  new Uint16Array(bytes.buffer)[0] = inet
  new DataView(bytes.buffer).setUint16(2, Number(port))
  bytes.set(address.split('.').map(Number), 4)
  return bytes
}

function open(address: Uint8Array): number {
  const fd = libc.socket(inet, stream, 0)
  libc.setsockopt(fd, linger.level, linger.option, linger.value)
  for (;;) {
    try {
      libc.syscall('connect', calls!.connect, fd, address, address.length)
      return fd
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== 'EINTR') throw error
    }
  }
}

const close = (fd: number): number => libc.syscall('close', calls.close, fd)

function connections(addresses: readonly Uint8Array[], ms: number): BurstResult {
  for (let i = 0; i < warmUp; i++) close(open(addresses[i % addresses.length] as Uint8Array))
  const connected: number[] = []
  const whole: number[] = []
  const began = monotonicMs()
  let now = began
  while (now - began < ms) {
    const fd = open(addresses[whole.length % addresses.length] as Uint8Array)
    connected.push((monotonicMs() - now) * 1000)
    close(fd)
    const after = monotonicMs()
    whole.push((after - now) * 1000)
    now = after
  }
  return { perSecond: 1e6 / percentile(whole, 0.5), p50: percentile(connected, 0.5), p99: percentile(connected, 0.99) }
}

function bulk(address: Uint8Array, ms: number): BurstResult {
  const fd = open(address)
  const began = monotonicMs()
  let bytes = 0
  while (monotonicMs() - began < ms) bytes += libc.syscall('write', calls!.write, fd, payload, payload.length)
  const seconds = (monotonicMs() - began) / 1000
  close(fd)
  return { perSecond: bytes / 2 ** 20 / seconds, p50: Number.NaN, p99: Number.NaN }
}

process.on('message', ({ namespace, targets, ms, what }: Burst) => {
  const addresses = targets.map(socketAddress)
  const result = libc.inNetworkNamespace(namespace, () =>
    what === 'connect' ? connections(addresses, ms) : bulk(addresses[0] as Uint8Array, ms),
  )
  process.send?.(result)
})
process.send?.({ up: true })
