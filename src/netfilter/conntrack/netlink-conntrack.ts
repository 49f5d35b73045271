import type { Clock } from '../../host/clock.ts'
import { errnoName } from '../../host/libc.ts'
import { type Message, MessageWriter, messagesIn } from '../netlink/message.ts'
import { NetlinkRequests } from '../netlink/requests.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import type { Conntrack, Flow, FlowQuery } from './conntrack.ts'
import { addressFamilies, flowIn, messages, subsystem, writeDeletion, writeQuery } from './flow-messages.ts'

/** Deletions go to the kernel in batches of so many bytes: the answers to one fit into any socket's buffer. */
const batchBytes = 16 * 1024

/**
 * Over netlink sockets, open for as long as a look takes. The kernel hands out its flows in parts of some hundred; between two of them
 * whatever else the process has to do gets its turn.
 */
export function netlinkConntrack(open: () => NetlinkSocket, clock: Clock): Conntrack {
  async function read(query: FlowQuery, each: (flow: Flow, message: Message) => void): Promise<void> {
    const socket = open()
    try {
      const requests = new NetlinkRequests(socket, subsystem)
      for (const part of requests.parts(messages.get, addressFamilies[query.family], (to) => writeQuery(query, to))) {
        for (const message of part) {
          const flow = flowIn(message, query)
          if (flow) each(flow, message)
        }
        await clock.sleep(0)
      }
    } finally {
      socket.close()
    }
  }
  return {
    look: (query, each) => read(query, each),
    async forget(query, isStale) {
      const deletions = new Deletions(open())
      try {
        await read(query, (flow, message) => {
          if (isStale(flow)) deletions.add(message)
        })
        return deletions.finish()
      } finally {
        deletions.close()
      }
    },
  }
}

class Deletions {
  readonly #socket: NetlinkSocket
  readonly #writer = new MessageWriter()
  #sequence = 0
  #deleted = 0

  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  add(flow: Message): void {
    writeDeletion(flow, ++this.#sequence, this.#writer)
    if (this.#writer.length > batchBytes) this.#send()
  }

  /** Answers how many flows went. */
  finish(): number {
    this.#send()
    return this.#deleted
  }

  #send(): void {
    if (this.#writer.length === 0) return
    this.#socket.send(this.#writer.bytes)
    this.#writer.clear()
    for (let datagram = this.#socket.receive(); datagram !== undefined; datagram = this.#socket.receive()) {
      if (datagram === 'lost') throw new Error('netlink: answers to the deletion of flows were lost')
      for (const { errno } of messagesIn(datagram)) this.#take(errno ?? 0)
    }
  }

  #take(errno: number): void {
    if (errno === 0) this.#deleted++
    // It may have gone by itself.
    else if (errnoName(errno) !== 'ENOENT') throw new Error(`netlink: a flow cannot be deleted: ${errnoName(errno)}`)
  }

  close(): void {
    this.#socket.close()
  }
}
