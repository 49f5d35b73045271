import { closeSync } from 'node:fs'
import { type Libc, SystemCallError } from '../host/libc.ts'
import type { AttachType, MapSpec } from './bpf-kinds.ts'
import { mapTypes } from './bpf-kinds.ts'

/** The kernel refused a program: the message ends with what its verifier wrote. */
export class VerifierError extends Error {
  constructor(program: string, log: string, options: ErrorOptions) {
    super(`the kernel refuses the program ${program}:\n${log}`, options)
    this.name = 'VerifierError'
  }
}

/** Numbers of include/uapi/linux/bpf.h; offsets are those in union bpf_attr. */
const callNumbers: Partial<Record<NodeJS.Architecture, number>> = { x64: 321, arm64: 280, riscv64: 280 }
const commands = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  programLoad: 5,
  programAttach: 8,
  programDetach: 9,
  programFdById: 13,
  mapFdById: 14,
  infoByFd: 15,
  programQuery: 16,
  btfLoad: 18,
  mapLookupBatch: 24,
} as const
const programTypeSocketAddress = 18
const attachFlags = { allowMulti: 2, replace: 4 } as const
const attrBytes = 128
const nameBytes = 16
/** The longest key or value of an element. */
const elementBytes = 64
const verifierLogBytes = 256 * 1024
const batchEntries = 4096
const maxProgramsAttached = 64

const textBytes = new TextEncoder()

/** What the kernel tells of a program: its name, and the maps it uses, by id. */
export interface ProgramInfo {
  readonly name: string
  readonly mapIds: readonly number[]
}

/** The bpf(2) system call, one method a command. File descriptors come back and go in; whoever opens one closes it. */
export class BpfCalls {
  readonly #libc: Libc
  readonly #number: number
  /** One piece of memory for what every call needs: to ask where bytes lie takes longer than the call itself. */
  readonly #scratch = new ArrayBuffer(attrBytes + 2 * elementBytes)
  readonly #attr = new DataView(this.#scratch, 0, attrBytes)
  readonly #attrBytes = new Uint8Array(this.#scratch, 0, attrBytes)
  readonly #key = new Uint8Array(this.#scratch, attrBytes, elementBytes)
  readonly #value = new Uint8Array(this.#scratch, attrBytes + elementBytes, elementBytes)
  readonly #at: bigint

  constructor(libc: Libc) {
    const number = callNumbers[process.arch]
    if (number === undefined) throw new Error(`the number of bpf(2) on ${process.arch} is not known`)
    this.#libc = libc
    this.#number = number
    this.#at = libc.address(this.#attrBytes)
  }

  createMap(name: string, { type, keyBytes, valueBytes, maxEntries, flags = 0 }: MapSpec, btfFd?: number): number {
    const attr = this.#clear()
    attr.setUint32(0, mapTypes[type], true)
    attr.setUint32(4, keyBytes, true)
    attr.setUint32(8, valueBytes, true)
    attr.setUint32(12, maxEntries, true)
    attr.setUint32(16, flags, true)
    this.#setName(28, name)
    if (btfFd !== undefined) {
      attr.setUint32(48, btfFd, true)
      attr.setUint32(52, 1, true) // the types' ids: see btf.ts
      attr.setUint32(56, 2, true)
    }
    return this.#call(`make the map ${name}`, commands.mapCreate)
  }

  loadTypes(btf: Uint8Array): number {
    const attr = this.#clear()
    this.#setPointer(0, btf)
    attr.setUint32(16, btf.length, true)
    return this.#call('load types', commands.btfLoad)
  }

  /** Undefined: there is no such key. */
  lookup(map: number, key: Uint8Array, value: Uint8Array): Uint8Array | undefined {
    this.#element(map, key)
    if (!this.#unlessMissing('look up', commands.mapLookup)) return undefined
    value.set(this.#value.subarray(0, value.length))
    return value
  }

  update(map: number, key: Uint8Array, value: Uint8Array): void {
    this.#element(map, key, value)
    this.#call('set a map element', commands.mapUpdate)
  }

  /** False: there was no such key. */
  delete(map: number, key: Uint8Array): boolean {
    this.#element(map, key)
    this.#attr.setBigUint64(16, 0n, true)
    return this.#unlessMissing('delete a map element', commands.mapDelete)
  }

  /** Everything in a map. What changes meanwhile may be seen or not. */
  *entries(map: number, spec: Pick<MapSpec, 'keyBytes' | 'valueBytes'>): Generator<{ key: Uint8Array; value: Uint8Array }> {
    const keys = new Uint8Array(batchEntries * spec.keyBytes)
    const values = new Uint8Array(batchEntries * spec.valueBytes)
    const cursor = new Uint8Array(Math.max(4, spec.keyBytes))
    for (let first = true, more = true; more; first = false) {
      const attr = this.#clear()
      if (!first) this.#setPointer(0, cursor)
      this.#setPointer(8, cursor)
      this.#setPointer(16, keys)
      this.#setPointer(24, values)
      attr.setUint32(32, batchEntries, true)
      attr.setUint32(36, map, true)
      more = this.#unlessMissing('read a map', commands.mapLookupBatch) // at the end it answers ENOENT, with the last ones
      const count = attr.getUint32(32, true)
      for (let i = 0; i < count; i++) {
        yield {
          key: keys.slice(i * spec.keyBytes, (i + 1) * spec.keyBytes),
          value: values.slice(i * spec.valueBytes, (i + 1) * spec.valueBytes),
        }
      }
    }
  }

  /** A program that runs on system calls with a socket address. Throws {@link VerifierError}. */
  loadProgram(name: string, instructions: Uint8Array, attachType: AttachType): number {
    const log = new Uint8Array(verifierLogBytes)
    const load = (logLevel: 0 | 1): number => {
      const attr = this.#clear()
      const license = textBytes.encode('Apache-2.0\0')
      attr.setUint32(0, programTypeSocketAddress, true)
      attr.setUint32(4, instructions.length / 8, true)
      this.#setPointer(8, instructions)
      this.#setPointer(16, license)
      if (logLevel > 0) {
        attr.setUint32(24, logLevel, true)
        attr.setUint32(28, log.length, true)
        this.#setPointer(32, log)
      }
      this.#setName(48, name)
      attr.setUint32(68, attachType, true)
      return this.#call(`load the program ${name}`, commands.programLoad)
    }
    try {
      return load(0)
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code === 'EPERM') throw error
    }
    // Only now with a log: writing it takes many times as long as loading.
    try {
      return load(1)
    } catch (error) {
      const end = log.indexOf(0)
      throw new VerifierError(name, Buffer.from(log.subarray(0, end)).toString().trim() || '(it says nothing)', { cause: error })
    }
  }

  /** Beside programs of others, or in the place of `replaced`. The cgroup holds it from then on, whoever ends. */
  attach(cgroup: number, program: number, attachType: AttachType, replaced?: number): void {
    const attr = this.#clear()
    attr.setUint32(0, cgroup, true)
    attr.setUint32(4, program, true)
    attr.setUint32(8, attachType, true)
    attr.setUint32(12, attachFlags.allowMulti | (replaced === undefined ? 0 : attachFlags.replace), true)
    attr.setUint32(16, replaced ?? 0, true)
    this.#call('attach a program', commands.programAttach)
  }

  detach(cgroup: number, program: number, attachType: AttachType): void {
    const attr = this.#clear()
    attr.setUint32(0, cgroup, true)
    attr.setUint32(4, program, true)
    attr.setUint32(8, attachType, true)
    this.#call('detach a program', commands.programDetach)
  }

  /** Ids of the programs attached to this very cgroup. */
  attached(cgroup: number, attachType: AttachType): number[] {
    const attr = this.#clear()
    const ids = new Uint32Array(maxProgramsAttached)
    attr.setUint32(0, cgroup, true)
    attr.setUint32(4, attachType, true)
    this.#setPointer(16, new Uint8Array(ids.buffer))
    attr.setUint32(24, ids.length, true)
    this.#call('ask for attached programs', commands.programQuery)
    return [...ids.subarray(0, attr.getUint32(24, true))]
  }

  /** Undefined: it is gone. */
  openProgram(id: number): number | undefined {
    return this.#openById('open a program', commands.programFdById, id)
  }

  openMap(id: number): number | undefined {
    return this.#openById('open a map', commands.mapFdById, id)
  }

  programInfo(program: number): ProgramInfo {
    const mapIds = new Uint32Array(64)
    const info = new DataView(new ArrayBuffer(232))
    info.setUint32(52, mapIds.length, true)
    info.setBigUint64(56, this.#libc.address(new Uint8Array(mapIds.buffer)), true)
    this.#info(program, info)
    return { name: nameIn(info, 64), mapIds: [...mapIds.subarray(0, Math.min(mapIds.length, info.getUint32(52, true)))] }
  }

  mapInfo(map: number): { readonly name: string } & MapSpec {
    const info = new DataView(new ArrayBuffer(88))
    this.#info(map, info)
    const word = (offset: number): number => info.getUint32(offset, true)
    const type = (Object.keys(mapTypes) as (keyof typeof mapTypes)[]).find((each) => mapTypes[each] === word(0))
    if (type === undefined) throw new Error(`a map of type ${word(0)} is none of ours`)
    return { name: nameIn(info, 24), type, keyBytes: word(8), valueBytes: word(12), maxEntries: word(16), flags: word(20) }
  }

  close(fd: number): void {
    closeSync(fd)
  }

  #openById(what: string, command: number, id: number): number | undefined {
    this.#clear().setUint32(0, id, true)
    try {
      return this.#call(what, command)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  #info(fd: number, info: DataView): void {
    const attr = this.#clear()
    attr.setUint32(0, fd, true)
    attr.setUint32(4, info.byteLength, true)
    this.#setPointer(8, new Uint8Array(info.buffer))
    this.#call('ask about an object', commands.infoByFd)
  }

  #element(map: number, key: Uint8Array, value?: Uint8Array): void {
    const attr = this.#clear()
    attr.setUint32(0, map, true)
    this.#key.set(key)
    attr.setBigUint64(8, this.#at + BigInt(attrBytes), true)
    if (value) this.#value.set(value)
    attr.setBigUint64(16, this.#at + BigInt(attrBytes + elementBytes), true)
  }

  #unlessMissing(what: string, command: number): boolean {
    try {
      this.#call(what, command)
      return true
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  }

  #clear(): DataView {
    this.#attrBytes.fill(0)
    return this.#attr
  }

  #setPointer(offset: number, bytes: Uint8Array): void {
    this.#attr.setBigUint64(offset, this.#libc.address(bytes), true)
  }

  #setName(offset: number, name: string): void {
    textBytes.encodeInto(name.slice(0, nameBytes - 1), this.#attrBytes.subarray(offset, offset + nameBytes))
  }

  #call(what: string, command: number): number {
    return this.#libc.syscall(`bpf: ${what}`, this.#number, command, this.#at, attrBytes)
  }
}

const isMissing = (error: unknown): boolean => error instanceof SystemCallError && error.code === 'ENOENT'

function nameIn(info: DataView, offset: number): string {
  const bytes = new Uint8Array(info.buffer, offset, nameBytes)
  const end = bytes.indexOf(0)
  return Buffer.from(bytes.subarray(0, end < 0 ? nameBytes : end)).toString()
}
