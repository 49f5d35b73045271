/**
 * System calls that Node has no words for: netlink sockets, namespaces, bpf(2). They go through koffi, a native module that is loaded only
 * when first asked for, so that commands without need of it pay nothing; where it cannot be loaded, {@link loadLibc} answers `undefined`
 * and its caller takes the slower way round.
 */
import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import type * as Koffi from 'koffi'

/** A system call that failed: `code` is the name of its errno, as in Node's own errors. */
export class SystemCallError extends Error {
  readonly code: string
  readonly errno: number
  constructor(call: string, errno: number) {
    super(`${call}: ${errnoName(errno)}`)
    this.name = 'SystemCallError'
    this.code = errnoName(errno)
    this.errno = errno
  }
}

/** Each throws {@link SystemCallError} where the call fails. All block the thread, so none is used where it could wait. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  /** `address` is a whole struct sockaddr. */
  bind(fd: number, address: Uint8Array): void
  /** Fills `address` with the socket's own struct sockaddr. */
  getsockname(fd: number, address: Uint8Array): void
  /** Fills `value` with the option's. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): void
  setsockopt(fd: number, level: number, option: number, value: number | Uint8Array): void
  send(fd: number, bytes: Uint8Array, length?: number): number
  /** The length of what was read into `bytes`, or undefined when nothing waits. Longer datagrams are cut, and their whole length is told. */
  recv(fd: number, bytes: Uint8Array): number | undefined
  close(fd: number): void
  /** Any other call by its number, for example bpf(2). Bytes are passed as their address. */
  syscall(name: string, number: number, ...args: readonly (number | bigint | Uint8Array)[]): number
  /** Gives back to the system what the allocator keeps free, where the C library can tell it to (glibc). */
  trimMemory(): void
  /** Where these bytes lie, for structs that hold pointers. Keep the bytes referenced for as long as the kernel may look at them. */
  address(bytes: Uint8Array): bigint
  /** Calls `run` whenever there is something to read; the answer stops it. It does not keep the process alive by itself. */
  whenReadable(fd: number, run: () => void): () => void
  /** Runs `run` with this thread in the network namespace at `path` (/run/netns/x, /proc/PID/ns/net), and comes back. What it opens stays there. */
  inNetworkNamespace<T>(path: string, run: () => T): T
}

const flags = { cloneNewNet: 0x40000000, msgDontWait: 0x40, msgTrunc: 0x20 }
const again = new Set<number>([constants.errno.EAGAIN, constants.errno.EWOULDBLOCK])
const namesByErrno = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno as number, name]))

/** `ENOENT` for 2. */
export function errnoName(errno: number): string {
  return namesByErrno.get(errno) ?? `errno ${errno}`
}

let loaded: Libc | undefined
let refused: string | undefined

/**
 * The C library, or undefined with the reason told to `missing`. Loaded once a process; only where another loader is given (by tests) is it
 * tried anew.
 */
export function loadLibc(missing?: (reason: string) => void, koffi?: () => typeof Koffi): Libc | undefined {
  if (koffi === undefined && loaded !== undefined) return loaded
  try {
    if (koffi === undefined && refused !== undefined) throw new Error(refused)
    const libc = bindLibc((koffi ?? requireKoffi)())
    if (koffi === undefined) loaded = libc
    return libc
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (koffi === undefined) refused = reason
    missing?.(reason)
    return undefined
  }
}

function requireKoffi(): typeof Koffi {
  if (process.platform !== 'linux') throw new Error(`no Linux system calls on ${process.platform}`)
  return createRequire(import.meta.url)('koffi') as typeof Koffi
}

function bindLibc(koffi: typeof Koffi): Libc {
  const library = koffi.load(null)
  const declare = (name: string, result: string, ...args: string[]): ((...args: unknown[]) => number) => library.func(name, result, args)
  const socket = declare('socket', 'int', 'int', 'int', 'int')
  const bind = declare('bind', 'int', 'int', 'void *', 'uint32_t')
  const getsockname = declare('getsockname', 'int', 'int', 'void *', 'void *')
  const getsockopt = declare('getsockopt', 'int', 'int', 'int', 'int', 'void *', 'void *')
  const setsockopt = declare('setsockopt', 'int', 'int', 'int', 'int', 'void *', 'uint32_t')
  const send = declare('send', 'long', 'int', 'void *', 'size_t', 'int')
  const recv = declare('recv', 'long', 'int', 'void *', 'size_t', 'int')
  const setns = declare('setns', 'int', 'int', 'int')
  const mallocTrim = hasFunction(library, 'malloc_trim') ? declare('malloc_trim', 'int', 'size_t') : undefined
  // Declared with six plain words: for these the calling conventions of Linux pass named and variadic arguments alike.
  const syscall = declare('syscall', 'long', 'long', ...Array<string>(6).fill('uintptr_t'))
  const check = (name: string, result: number): number => {
    if (result < 0) throw new SystemCallError(name, koffi.errno())
    return result
  }
  const address = (bytes: Uint8Array): bigint => koffi.address(bytes)
  return {
    socket: (domain, type, protocol) => check('socket', socket(domain, type, protocol)),
    bind: (fd, to) => void check('bind', bind(fd, to, to.length)),
    getsockname: (fd, into) => void check('getsockname', getsockname(fd, into, Uint32Array.of(into.length))),
    getsockopt: (fd, level, option, value) => void check('getsockopt', getsockopt(fd, level, option, value, Uint32Array.of(value.length))),
    setsockopt(fd, level, option, value) {
      const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value
      check('setsockopt', setsockopt(fd, level, option, bytes, bytes.length))
    },
    send: (fd, bytes, length = bytes.length) => check('send', send(fd, bytes, length, flags.msgDontWait)),
    recv(fd, bytes) {
      const length = recv(fd, bytes, bytes.length, flags.msgDontWait | flags.msgTrunc)
      if (length >= 0) return length
      const errno = koffi.errno()
      if (again.has(errno)) return undefined
      throw new SystemCallError('recv', errno)
    },
    close: (fd) => closeSync(fd),
    syscall(name, number, ...args) {
      const words = args.map((value) => (typeof value === 'object' ? address(value) : value))
      while (words.length < 6) words.push(0)
      return check(name, syscall(number, ...words))
    },
    trimMemory: () => void mallocTrim?.(0),
    address,
    whenReadable(fd, run) {
      const handle = koffi.node.poll(fd, { readable: true }, run)
      handle.unref()
      return () => handle.close()
    },
    inNetworkNamespace: (path, run) => inNamespace((fd) => check('setns', setns(fd, flags.cloneNewNet)), path, run),
  }
}

function hasFunction(library: ReturnType<typeof Koffi.load>, name: string): boolean {
  try {
    library.func(name, 'int', [])
    return true
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Cannot find function')) return false
    throw error
  }
}

function inNamespace<T>(enter: (fd: number) => void, path: string, run: () => T): T {
  const there = openSync(path, 'r')
  try {
    // The thread's own: a process's other threads, and so libuv's, stay where they are.
    const here = openSync('/proc/thread-self/ns/net', 'r')
    try {
      enter(there)
      try {
        return run()
      } finally {
        enter(here)
      }
    } finally {
      closeSync(here)
    }
  } finally {
    closeSync(there)
  }
}
