import { statSync } from 'node:fs'
import { errnoName, type Libc } from '../../host/libc.ts'
import { attributesIn, type Message, MessageWriter, messageFlags, messagesIn } from '../netlink/message.ts'
import { NetlinkRequests } from '../netlink/requests.ts'
import { type NetlinkSocket, openNetfilterSocket } from '../netlink/socket.ts'
import { ChangeListener } from './change-listener.ts'
import { type NftKernel, RefusedError } from './kernel.ts'
import * as numbers from './numbers.ts'
import type { Family, HeldTable } from './ruleset.ts'
import { TableReader } from './table-reader.ts'
import type { Transaction } from './transaction.ts'
import { type MessageOrigin, writeBatch } from './transaction-messages.ts'

export interface NetlinkKernelOptions {
  /** A file of the network namespace (/run/netns/x, /proc/PID/ns/net); the process's own by default. */
  namespace?: string | undefined
}

/** By the namespace's device and inode: all that a process opens of one namespace go over one socket. */
const opened = new Map<string, { kernel: NetlinkKernel; users: number }>()

/**
 * nftables over one open netlink socket: a change costs what the change is, and no process is started. What a process opens several times
 * is one, so that what one of them changes is told to none of them as another's.
 */
export function openNetlinkKernel(libc: Libc, options: NetlinkKernelOptions = {}): NftKernel {
  const { dev, ino } = statSync(options.namespace ?? '/proc/thread-self/ns/net')
  const name = `${dev}:${ino}`
  const shared = opened.get(name) ?? { kernel: new NetlinkKernel(() => openNetfilterSocket(libc, options)), users: 0 }
  opened.set(name, shared)
  shared.users++
  return handleOf(shared.kernel, () => {
    if (--shared.users > 0) return
    opened.delete(name)
    shared.kernel.close()
  })
}

function handleOf(kernel: NetlinkKernel, release: () => void): NftKernel {
  const stops = new Set<() => void>()
  let isOpen = true
  return {
    readsBack: true,
    apply: async (transaction) => kernel.apply(transaction),
    read: async (family, table) => kernel.read(family, table),
    readAll: async () => kernel.readAll(),
    whenChangedByOthers(family, table, run) {
      const stop = kernel.watch(family, table, run)
      stops.add(stop)
      return () => {
        if (stops.delete(stop)) stop()
      }
    },
    close() {
      if (!isOpen) return
      isOpen = false
      for (const stop of stops) stop()
      release()
    },
  }
}

/** From this size of a batch on, listening costs more than asking afterwards whether anyone else was there. */
const largeBytes = 64 * 1024

class NetlinkKernel {
  readonly #socket: NetlinkSocket
  readonly #requests: NetlinkRequests
  readonly #reader: TableReader
  readonly #listener: ChangeListener
  readonly #writer = new MessageWriter()

  constructor(open: () => NetlinkSocket) {
    this.#socket = open()
    this.#requests = new NetlinkRequests(this.#socket, numbers.subsystem)
    this.#reader = new TableReader(this.#requests)
    this.#listener = new ChangeListener(open)
  }

  apply(transaction: Transaction): void {
    try {
      this.#write(transaction)
    } finally {
      this.#writer.clear()
    }
  }

  #write(transaction: Transaction): void {
    // One number a message is not known before they are written: nothing else comes between.
    const sequence = this.#requests.take(0)
    const origins = writeBatch(transaction, sequence, this.#writer)
    this.#requests.take(origins.length + 2)
    // No changes, or of no elements at all.
    if (origins.length === 0) return
    if (this.#listener.isListening && this.#writer.length > largeBytes) this.#applyUnheard(transaction, sequence, origins)
    else this.#send(transaction, sequence, origins)
  }

  #send(transaction: Transaction, sequence: number, origins: readonly MessageOrigin[]): void {
    this.#requests.skipUnread()
    this.#socket.send(this.#writer.bytes)
    this.#readAnswers(transaction, sequence, origins)
  }

  /** Without listening. One transaction makes one generation: more are somebody else's. */
  #applyUnheard(transaction: Transaction, sequence: number, origins: readonly MessageOrigin[]): void {
    const before = this.#reader.generation() ?? 0
    let expected = before
    try {
      this.#listener.pause(() => this.#send(transaction, sequence, origins))
      expected = before + 1
    } finally {
      if (this.#reader.generation() !== expected) this.#listener.tellAll()
    }
  }

  /** Answers lie in the socket as soon as the batch was sent. Those to earlier batches were all read. */
  #readAnswers(transaction: Transaction, sequence: number, origins: readonly MessageOrigin[]): void {
    let accepted = false
    let first: Message | undefined
    for (let datagram = this.#socket.receive(); datagram !== undefined; datagram = this.#socket.receive()) {
      if (datagram === 'lost') continue
      for (const message of messagesIn(datagram)) {
        if (message.errno === undefined || message.sequence < sequence) continue
        if (message.errno === 0) accepted = true
        else if (first === undefined || message.sequence < first.sequence) first = copyOf(message)
      }
    }
    if (first !== undefined) throw refusal(transaction, sequence, origins, first)
    if (!accepted) throw new RefusedError(transaction, 'ENOBUFS', undefined, 0, 'the kernel gave no answer')
  }

  read(family: Family, table: string): HeldTable | undefined {
    return this.#reader.read(numbers.families[family], table)[0]
  }

  readAll(): HeldTable[] {
    return this.#reader.read(0)
  }

  watch(family: Family, table: string, run: () => void): () => void {
    return this.#listener.watch(family, table, this.#socket.portId, run)
  }

  close(): void {
    this.#listener.close()
    this.#socket.close()
  }
}

/** The datagram's bytes are used again for the next. */
const copyOf = (message: Message): Message => ({ ...message, bytes: Buffer.from(message.bytes) })

function refusal(transaction: Transaction, sequence: number, origins: readonly MessageOrigin[], message: Message): RefusedError {
  const origin = origins[message.sequence - sequence - 1]
  // Behind the errno and the refused message's header: what the kernel has to say.
  const told = (message.flags & messageFlags.toldMore) === 0 ? undefined : attributesIn(message.bytes, 36)
  return new RefusedError(transaction, errnoName(message.errno ?? 0), origin?.change, origin?.firstElement ?? 0, told?.text(1))
}
