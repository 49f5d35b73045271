import { errnoName } from '../../host/libc.ts'
import { type Message, MessageWriter, messageFlags, messagesIn, messageTypes } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** What was read changed meanwhile: to be begun again. */
export class InterruptedDumpError extends Error {
  constructor() {
    super('netlink: what was read changed meanwhile')
    this.name = 'InterruptedDumpError'
  }
}

/** Questions to a subsystem of netfilter, and sequence numbers for all that goes over one socket. */
export class NetlinkRequests {
  readonly #socket: NetlinkSocket
  readonly #subsystem: number
  readonly #writer = new MessageWriter(1024)
  #sequence = 1
  #unread = false

  constructor(socket: NetlinkSocket, subsystem: number) {
    this.#socket = socket
    this.#subsystem = subsystem
  }

  /** The first of so many sequence numbers that nothing else has. */
  take(count: number): number {
    const first = this.#sequence
    this.#sequence += count
    // Far from the end of its 32 bits, as a batch counts on from here.
    if (this.#sequence > 0x7fffffff) this.#sequence = 1
    return first
  }

  dump(type: number, family: number, write?: (to: MessageWriter) => void): Message[] {
    return this.ask(type, messageFlags.dump, family, write)
  }

  /** Throws {@link InterruptedDumpError} where the answer is of no use. */
  ask(type: number, flags: number, family: number, write?: (to: MessageWriter) => void): Message[] {
    const sequence = this.#send(type, flags, family, write)
    return [...this.#answersTo(sequence, (datagram) => Buffer.from(datagram))].flat()
  }

  /** A dump too large to be held, in parts. Each is valid until the next is asked for; not before then does the kernel go on. */
  parts(type: number, family: number, write?: (to: MessageWriter) => void): Iterable<readonly Message[]> {
    return this.#answersTo(this.#send(type, messageFlags.dump, family, write), (datagram) => datagram)
  }

  #send(type: number, flags: number, family: number, write?: (to: MessageWriter) => void): number {
    this.skipUnread()
    const sequence = this.take(1)
    this.#writer.clear()
    const start = this.#writer.begin((this.#subsystem << 8) | type, messageFlags.request | flags, sequence, family)
    write?.(this.#writer)
    this.#writer.end(start)
    this.#socket.send(this.#writer.bytes)
    this.#unread = true
    return sequence
  }

  /** What a question that failed half-way left behind. */
  skipUnread(): void {
    if (!this.#unread) return
    while (this.#socket.receive() !== undefined);
    this.#unread = false
  }

  /** A dump goes on as its parts are read, and ends with a message that says so; other answers are there at once. */
  *#answersTo(sequence: number, kept: (datagram: Buffer) => Buffer): Generator<Message[]> {
    for (let isDone = false; !isDone; ) {
      const datagram = this.#socket.receive()
      if (datagram === 'lost') throw new InterruptedDumpError()
      if (datagram === undefined) break
      const answers: Message[] = []
      for (const message of messagesIn(kept(datagram))) {
        if (message.sequence !== sequence) continue
        if ((message.flags & messageFlags.dumpInterrupted) !== 0) throw new InterruptedDumpError()
        if (message.type === messageTypes.done) isDone = true
        else if (message.type === messageTypes.error) throwErrno(message)
        else answers.push(message)
      }
      yield answers
    }
    this.#unread = false
  }
}

function throwErrno(message: Message): void {
  const errno = message.errno ?? 0
  if (errno === 0) return
  const code = errnoName(errno)
  // What goes while it is read is not there any more.
  if (code === 'ENOENT' || code === 'EINTR') throw new InterruptedDumpError()
  throw new Error(`netlink: reading failed: ${code}`)
}
