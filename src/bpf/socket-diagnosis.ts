import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Libc, SystemCallError } from '../host/libc.ts'
import { placeAt, sizes } from './socket-maps.ts'

/** sock_diag(7): sockets are listed and ended through a netlink socket of their network namespace. */
const netlink = { family: 16, raw: 3, diagnosis: 4, closeOnExec: 0o2000000 } as const
const messageTypes = { error: 2, done: 3, byFamily: 20, destroy: 21 } as const
const messageFlags = { request: 1, acknowledge: 4, dump: 0x300 } as const
const headerBytes = 16
const requestBytes = 56
/** struct inet_diag_sockid within a request and within an answer. */
const idInRequest = headerBytes + 8
const idInAnswer = headerBytes + 4
const idBytes = 48
const idAt = { port: 2, address: 20, cookie: 40 } as const
const families = { IPv4: 2, IPv6: 10 } as const
const udp = 17
/** As connected as UDP gets (TCP_ESTABLISHED). */
const connectedState = 1
const answerBytes = 64 * 1024

/** A UDP socket that was connected, and where to. */
export interface ConnectedSocket {
  /** As BPF programs know it. */
  readonly cookie: bigint
  readonly peer: Uint8Array
  readonly family: number
  readonly id: Uint8Array
}

/** UDP sockets of one network namespace. To be closed. */
export class SocketDiagnosis {
  readonly #libc: Libc
  readonly #fd: number

  /** `namespace`: such as /proc/PID/ns/net; undefined: this process's own. */
  constructor(libc: Libc, namespace?: string) {
    const open = (): number => libc.socket(netlink.family, netlink.raw | netlink.closeOnExec, netlink.diagnosis)
    this.#libc = libc
    this.#fd = namespace === undefined ? open() : libc.inNetworkNamespace(namespace, open)
  }

  close(): void {
    this.#libc.close(this.#fd)
  }

  /** Those connected to this port, at any address. */
  connectedTo(port: number): ConnectedSocket[] {
    return Object.values(families).flatMap((family) => {
      const request = requestFor(messageTypes.byFamily, messageFlags.request | messageFlags.dump, family)
      request.setUint32(headerBytes + 4, 1 << connectedState, true)
      request.setUint16(idInRequest + idAt.port, port)
      return this.#ask(request).map((answer) => connectedSocket(answer, family))
    })
  }

  /** The process gets ECONNABORTED. False: the socket is gone already. */
  end({ family, id }: Pick<ConnectedSocket, 'family' | 'id'>): boolean {
    const request = requestFor(messageTypes.destroy, messageFlags.request | messageFlags.acknowledge, family)
    new Uint8Array(request.buffer).set(id, idInRequest)
    try {
      this.#ask(request)
      return true
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENOENT') return false
      throw error
    }
  }

  /** Answers' own messages; throws what an error among them says. */
  #ask(request: DataView): Uint8Array[] {
    this.#libc.send(this.#fd, new Uint8Array(request.buffer))
    const answers: Uint8Array[] = []
    for (;;) {
      const bytes = new Uint8Array(answerBytes)
      const length = this.#libc.recv(this.#fd, bytes)
      if (length === undefined) throw new Error('sock_diag gave no answer')
      for (const message of messagesIn(bytes.subarray(0, length))) {
        const view = new DataView(message.buffer, message.byteOffset, message.length)
        const type = view.getUint16(4, true)
        if (type === messageTypes.done) return answers
        if (type === messageTypes.error) {
          const errno = -view.getInt32(headerBytes, true)
          if (errno !== 0) throw new SystemCallError('sock_diag', errno)
          return answers
        }
        answers.push(message)
      }
    }
  }
}

/** Whether the kernel ends sockets for those who ask (CONFIG_INET_DIAG_DESTROY): asked with a socket that nobody has. */
export function canEndSockets(libc: Libc): boolean {
  const diagnosis = new SocketDiagnosis(libc)
  try {
    const id = new Uint8Array(idBytes)
    id.fill(0xff, idAt.cookie)
    id.set([0, 9, 0, 9, 127, 0, 0, 1], 0)
    diagnosis.end({ family: families.IPv4, id })
    return true
  } catch (error) {
    if (error instanceof SystemCallError) return false
    throw error
  } finally {
    diagnosis.close()
  }
}

/** One path for each network namespace that a process of this cgroup, or of one beneath, lives in. */
export function networkNamespacesIn(cgroupPath: string): string[] {
  const paths = new Map<string, string>()
  for (const pid of processesIn(cgroupPath)) {
    const path = `/proc/${pid}/ns/net`
    const namespace = unlessGone(() => readlinkSync(path))
    if (namespace !== undefined) paths.set(namespace, path)
  }
  return [...paths.values()]
}

function processesIn(cgroup: string): string[] {
  const own = unlessGone(() => readFileSync(join(cgroup, 'cgroup.procs'), 'utf8')) ?? ''
  const beneath = unlessGone(() => readdirSync(cgroup, { withFileTypes: true })) ?? []
  const folders = beneath.filter((entry) => entry.isDirectory()).map(({ name }) => join(cgroup, name))
  return [...own.split('\n').filter((pid) => pid !== '' && pid !== '0'), ...folders.flatMap(processesIn)]
}

/** Processes and cgroups may end while they are looked at. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

function requestFor(type: number, flags: number, family: number): DataView {
  const request = new DataView(new ArrayBuffer(headerBytes + requestBytes))
  request.setUint32(0, headerBytes + requestBytes, true)
  request.setUint16(4, type, true)
  request.setUint16(6, flags, true)
  request.setUint8(headerBytes, family)
  request.setUint8(headerBytes + 1, udp)
  return request
}

function connectedSocket(answer: Uint8Array, family: number): ConnectedSocket {
  const id = answer.slice(idInAnswer, idInAnswer + idBytes)
  const peer = new Uint8Array(sizes.place)
  if (family === families.IPv6) peer.set(id.subarray(idAt.address, idAt.address + 16))
  else peer.set([0xff, 0xff, ...id.subarray(idAt.address, idAt.address + 4)], 10)
  peer.set(id.subarray(idAt.port, idAt.port + 2), placeAt.port)
  return { cookie: new DataView(id.buffer).getBigUint64(idAt.cookie, true), peer, family, id }
}

function* messagesIn(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = view.getUint32(at, true)
    if (length < headerBytes) return
    yield bytes.subarray(at, at + length)
    at += (length + 3) & ~3
  }
}
