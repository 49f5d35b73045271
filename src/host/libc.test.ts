import { mkdtempSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Libc, loadLibc, SystemCallError } from './libc.ts'

const netlink = { family: 16, raw: 3, route: 0 }
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function mustLoad(): Libc {
  const libc = loadLibc((reason) => {
    throw new Error(reason)
  })
  if (libc === undefined) throw new Error('not loaded')
  return libc
}

/** RTM_GETLINK for every link, which needs no rights. */
function linkDump(): Uint8Array {
  const message = new DataView(new ArrayBuffer(20))
  message.setUint32(0, 20, true)
  message.setUint16(4, 18, true)
  message.setUint16(6, 0x301, true)
  return new Uint8Array(message.buffer)
}

function openRoute(libc: Libc): number {
  const fd = libc.socket(netlink.family, netlink.raw, netlink.route)
  closers.push(() => libc.close(fd))
  return fd
}

describe('loadLibc', () => {
  it('says why there is none where the native module cannot be loaded, and what was loaded before stays', () => {
    const before = mustLoad()
    const reasons: string[] = []
    const libc = loadLibc(
      (reason) => reasons.push(reason),
      () => {
        throw new Error('Cannot find the native Koffi module')
      },
    )
    expect(libc).toBeUndefined()
    expect(reasons).toEqual(['Cannot find the native Koffi module'])
    expect(mustLoad()).toBe(before)
  })
})

describe('Libc', () => {
  it('sends to a netlink socket and reads the answer, telling when there is none', async () => {
    const libc = mustLoad()
    const fd = openRoute(libc)
    const answer = new Uint8Array(64 * 1024)
    expect(libc.recv(fd, answer)).toBeUndefined()
    const readable = new Promise<void>((resolve) => {
      const stop = libc.whenReadable(fd, () => {
        stop()
        resolve()
      })
    })
    expect(libc.send(fd, linkDump())).toBe(20)
    await readable
    expect(libc.recv(fd, answer)).toBeGreaterThan(20)
    expect(new DataView(answer.buffer).getUint16(4, true)).toBe(16) // RTM_NEWLINK
  })

  it('tells the whole length of a datagram that was cut', () => {
    const libc = mustLoad()
    const fd = openRoute(libc)
    libc.send(fd, linkDump())
    expect(libc.recv(fd, new Uint8Array(16))).toBeGreaterThan(16)
  })

  it('binds, and tells where', () => {
    const libc = mustLoad()
    const fd = openRoute(libc)
    const address = new Uint8Array(12)
    address[0] = netlink.family
    libc.bind(fd, address)
    libc.getsockname(fd, address)
    expect(address[0]).toBe(netlink.family)
    expect(new DataView(address.buffer).getUint32(4, true)).not.toBe(0) // the port id that the kernel chose
  })

  it('reads options of sockets', () => {
    const libc = mustLoad()
    const type = new Uint8Array(4)
    libc.getsockopt(openRoute(libc), 1, 3, type) // SOL_SOCKET, SO_TYPE
    expect(new DataView(type.buffer).getInt32(0, true) & 0xff).toBe(netlink.raw & 0xff)
  })

  it('answers failures by the name of their errno', () => {
    const libc = mustLoad()
    const call = (): number => libc.socket(netlink.family, netlink.raw, 250)
    expect(call).toThrow(SystemCallError)
    expect(call).toThrow(expect.objectContaining({ code: 'EPROTONOSUPPORT', message: 'socket: EPROTONOSUPPORT' }))
    expect(() => libc.setsockopt(99_999, 1, 8, 4096)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  it('makes calls by number, with bytes as addresses', () => {
    const libc = mustLoad()
    const getrandom = process.arch === 'arm64' ? 278 : 318
    const bytes = new Uint8Array(64)
    expect(libc.syscall('getrandom', getrandom, bytes, bytes.length, 0)).toBe(64)
    expect(bytes.some((byte) => byte !== 0)).toBe(true)
    expect(() => libc.syscall('getrandom', getrandom, bytes, bytes.length, 0xffff)).toThrow(
      expect.objectContaining({ code: 'EINVAL', message: 'getrandom: EINVAL' }),
    )
  })

  it('comes back from a namespace that it cannot enter', () => {
    const libc = mustLoad()
    const directory = mkdtempSync(join(tmpdir(), 'ownkube-libc-'))
    closers.push(() => rmSync(directory, { recursive: true }))
    const before = readlinkSync('/proc/thread-self/ns/net')
    expect(() => libc.inNetworkNamespace(join(directory, 'none'), () => 1)).toThrow(/ENOENT/)
    expect(() => libc.inNetworkNamespace('/proc/self/ns/uts', () => 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before)
  })
})
