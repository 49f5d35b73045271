import { errnoName, type Libc } from '../../host/libc.ts'
import { attributesIn, type Message, MessageWriter, messageFlags, messagesIn, messageTypes } from '../netlink/message.ts'
import { type NetlinkSocket, openNetfilterSocket } from '../netlink/socket.ts'
import { chainFrom, counterFrom, elementsFrom, familyOf, joinRanges, type RawElement, ruleFrom, setFrom, tableFrom } from './held.ts'
import { type NftKernel, RefusedError, tableName } from './kernel.ts'
import * as numbers from './numbers.ts'
import type { AnyFamily, Family, HeldTable } from './ruleset.ts'
import type { Transaction } from './transaction.ts'
import { type MessageOrigin, writeBatch } from './transaction-messages.ts'

export interface NetlinkKernelOptions {
  /** A file of the network namespace (/run/netns/x, /proc/PID/ns/net); the process's own by default. */
  namespace?: string | undefined
}

/** nftables over one open netlink socket: a change costs what the change is, and no process is started. */
export function openNetlinkKernel(libc: Libc, options: NetlinkKernelOptions = {}): NftKernel {
  return new NetlinkKernel(libc, options)
}

/** Dumps that someone's change interrupts are begun again this often. */
const dumpTries = 20

class NetlinkKernel implements NftKernel {
  readonly #socket: NetlinkSocket
  readonly #openSocket: () => NetlinkSocket
  readonly #writer = new MessageWriter()
  readonly #watched = new Map<() => void, string>()
  #sequence = 1
  #interrupted = false
  #stopListening: (() => void) | undefined

  constructor(libc: Libc, options: NetlinkKernelOptions) {
    this.#openSocket = () => openNetfilterSocket(libc, options)
    this.#socket = this.#openSocket()
  }

  async apply(transaction: Transaction): Promise<void> {
    if (transaction.changes.length === 0) return
    this.#writer.clear()
    const sequence = this.#sequence
    const origins = writeBatch(transaction, sequence, this.#writer)
    this.#sequence += origins.length + 2
    // Changes of no elements at all write nothing.
    if (origins.length === 0) return
    if (this.#interrupted) this.#drain()
    this.#socket.send(this.#writer.bytes)
    this.#readAnswers(transaction, sequence, origins)
  }

  /** Answers lie in the socket as soon as the batch was sent. Those to earlier batches were all read. */
  #readAnswers(transaction: Transaction, sequence: number, origins: readonly MessageOrigin[]): void {
    let accepted = false
    let first: Message | undefined
    for (let datagram = this.#socket.receive(); datagram !== undefined; datagram = this.#socket.receive()) {
      if (datagram === 'lost') continue
      for (const message of messagesIn(Buffer.from(datagram))) {
        if (message.type !== messageTypes.error || message.sequence < sequence) continue
        if (message.bytes.readInt32LE(16) === 0) accepted = true
        else if (first === undefined || message.sequence < first.sequence) first = message
      }
    }
    if (first !== undefined) throw refusal(transaction, sequence, origins, first)
    if (!accepted) throw new RefusedError(transaction, 'ENOBUFS', undefined, 0, 'the kernel gave no answer')
  }

  async read(family: Family, table: string): Promise<HeldTable | undefined> {
    return this.#consistently(() => {
      const held = this.#tables(numbers.families[family]).find(({ name }) => name === table)
      if (held !== undefined) this.#fill([held], numbers.families[family])
      return held
    })
  }

  async readAll(): Promise<HeldTable[]> {
    return this.#consistently(() => {
      const held = this.#tables(0)
      this.#fill(held, 0)
      return held
    })
  }

  whenChangedByOthers(family: Family, table: string, run: () => void): () => void {
    this.#watched.set(run, tableName(family, table))
    this.#stopListening ??= this.#listen()
    return () => {
      this.#watched.delete(run)
      if (this.#watched.size > 0) return
      this.#stopListening?.()
      this.#stopListening = undefined
    }
  }

  close(): void {
    this.#watched.clear()
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#socket.close()
  }

  /** A socket of its own, so that notifications never stand between a request and its answer. */
  #listen(): () => void {
    const socket = this.#openSocket()
    // The filter first: from the moment of joining on, nothing of our own comes through.
    socket.ignorePortId(this.#socket.portId)
    socket.join(numbers.notificationGroup)
    const stop = socket.whenReadable(() => {
      const changed = changedTables(socket)
      for (const [run, name] of [...this.#watched]) if (changed === 'any' || changed.has(name)) run()
    })
    return () => {
      stop()
      socket.close()
    }
  }

  /** Reads until nobody changed anything in between: the kernel counts generations of its rule set. */
  #consistently<T>(read: () => T): T {
    for (let tries = 1; ; tries++) {
      const before = this.#generation()
      try {
        const held = read()
        if (this.#generation() === before) return held
      } catch (error) {
        if (!(error instanceof InterruptedDumpError)) throw error
        this.#interrupted = true
      }
      if (tries === dumpTries) throw new Error(`nftables: the rules changed under each of ${dumpTries} readings`)
    }
  }

  #generation(): number | undefined {
    return this.#ask(numbers.msg.getGen, 0, 0)[0]?.attributes.u32(numbers.gen.id)
  }

  #tables(family: number): HeldTable[] {
    return this.#dump(numbers.msg.getTable, family).flatMap((message) => tableFrom(message) ?? [])
  }

  #fill(tables: readonly HeldTable[], family: number): void {
    const byName = new Map(tables.map((table) => [tableName(table.family, table.name), table]))
    const of = (message: Message, attribute: number): HeldTable | undefined =>
      byName.get(tableName(familyOf(message) ?? ('' as AnyFamily), message.attributes.text(attribute) ?? ''))
    for (const message of this.#dump(numbers.msg.getChain, family)) {
      const chain = chainFrom(message)
      if (chain !== undefined) of(message, numbers.chain.table)?.chains.push(chain)
    }
    for (const message of this.#dump(numbers.msg.getRule, family)) {
      const found = ruleFrom(message)
      const chain = of(message, numbers.rule.table)?.chains.find(({ name }) => name === found?.chain)
      if (found !== undefined) chain?.rules.push(found.rule)
    }
    for (const message of this.#dump(numbers.msg.getSet, family)) {
      const set = setFrom(message)
      if (set !== undefined) of(message, numbers.set.table)?.sets.push(set)
    }
    for (const message of this.#dump(numbers.msg.getObj, family)) {
      const counter = counterFrom(message)
      if (counter !== undefined) of(message, numbers.object.table)?.counters.push(counter)
    }
    for (const table of tables) for (const set of table.sets) set.elements = this.#elements(table, set.name, set.interval === true)
  }

  #elements(table: HeldTable, set: string, interval: boolean): HeldTable['sets'][number]['elements'] {
    const raw: RawElement[] = []
    const messages = this.#dump(numbers.msg.getSetElem, numbers.families[table.family], (to) => {
      to.text(numbers.elemList.table, table.name)
      to.text(numbers.elemList.set, set)
    })
    for (const message of messages) for (const element of elementsFrom(message)?.elements ?? []) raw.push(element)
    const whole = !interval || raw.some(({ element }) => element.end !== undefined)
    // Ranges of several parts have their ends with them.
    return whole || !raw.some(({ isEnd }) => isEnd) ? raw.map(({ element }) => element) : joinRanges(raw)
  }

  #dump(type: number, family: number, write?: (to: MessageWriter) => void): Message[] {
    return this.#ask(type, messageFlags.dump, family, write)
  }

  #ask(type: number, flags: number, family: number, write?: (to: MessageWriter) => void): Message[] {
    const sequence = this.#sequence++
    if (this.#interrupted) this.#drain()
    this.#writer.clear()
    const start = this.#writer.begin((numbers.subsystem << 8) | type, messageFlags.request | flags, sequence, family)
    write?.(this.#writer)
    this.#writer.end(start)
    this.#socket.send(this.#writer.bytes)
    const answers: Message[] = []
    for (;;) {
      const datagram = this.#socket.receive()
      if (datagram === 'lost') throw new InterruptedDumpError()
      // A dump goes on as its parts are read, and ends with a message that says so.
      if (datagram === undefined) return answers
      for (const message of messagesIn(Buffer.from(datagram))) {
        if (message.sequence !== sequence) continue
        if ((message.flags & messageFlags.dumpInterrupted) !== 0) throw new InterruptedDumpError()
        if (message.type === messageTypes.done) return answers
        if (message.type === messageTypes.error) throwErrno(message.bytes.readInt32LE(16))
        else answers.push(message)
      }
    }
  }

  /** What an interrupted dump left behind. */
  #drain(): void {
    while (this.#socket.receive() !== undefined);
    this.#interrupted = false
  }
}

/** The rule set changed while it was read. */
class InterruptedDumpError extends Error {
  constructor() {
    super('nftables: the rules changed while they were read')
    this.name = 'InterruptedDumpError'
  }
}

function throwErrno(errno: number): void {
  if (errno === 0) return
  const code = errnoName(-errno)
  // A set or table that goes while it is read.
  if (code === 'ENOENT' || code === 'EINTR') throw new InterruptedDumpError()
  throw new Error(`nftables: reading failed: ${code}`)
}

function refusal(transaction: Transaction, sequence: number, origins: readonly MessageOrigin[], message: Message): RefusedError {
  const code = errnoName(-message.bytes.readInt32LE(16))
  const origin = origins[message.sequence - sequence - 1]
  // Behind the errno and the refused message's header: what the kernel has to say.
  const told = (message.flags & 0x200) === 0 ? undefined : attributesIn(message.bytes, 36)
  return new RefusedError(transaction, code, origin?.change, origin?.firstElement ?? 0, told?.text(1))
}

function changedTables(socket: NetlinkSocket): Set<string> | 'any' {
  const changed = new Set<string>()
  let lost = false
  for (let datagram = socket.receive(); datagram !== undefined; datagram = socket.receive()) {
    if (datagram === 'lost') {
      lost = true
      continue
    }
    for (const message of messagesIn(datagram)) {
      const family = familyOf(message)
      // In all of nftables' messages the first attribute is the table's name, except in those of generations.
      if (family !== undefined) changed.add(tableName(family, message.attributes.text(1) ?? ''))
    }
  }
  return lost ? 'any' : changed
}
