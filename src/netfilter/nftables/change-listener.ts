import { messagesIn } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import { familyOf } from './held.ts'
import { tableName } from './kernel.ts'
import { notificationGroup } from './numbers.ts'
import type { Family } from './ruleset.ts'

/** Hears of transactions that other sockets made, and tells those who watch the tables in question. */
export class ChangeListener {
  readonly #watchers = new Map<() => void, string>()
  readonly #open: () => NetlinkSocket
  #socket: NetlinkSocket | undefined
  #stop: () => void = () => undefined

  /** `open` gives a socket of its own, so that notifications never stand between a request and its answer. */
  constructor(open: () => NetlinkSocket) {
    this.#open = open
  }

  /** `ownPortId`: of the socket whose transactions are not told of. */
  watch(family: Family, table: string, ownPortId: number, run: () => void): () => void {
    const watcher = (): void => run()
    this.#watchers.set(watcher, tableName(family, table))
    if (this.#socket === undefined) this.#listen(ownPortId)
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.close()
    }
  }

  get isListening(): boolean {
    return this.#socket !== undefined
  }

  /**
   * Out of the group while `run` runs: as long as anyone listens, the kernel writes a message for each element that changes, which costs
   * several times what the change itself does.
   */
  pause<T>(run: () => T): T {
    this.#socket?.leave(notificationGroup)
    try {
      return run()
    } finally {
      this.#socket?.join(notificationGroup)
    }
  }

  /** Something may have changed unheard. Told later, as everything else is. */
  tellAll(): void {
    for (const run of [...this.#watchers.keys()]) queueMicrotask(run)
  }

  close(): void {
    this.#stop()
    this.#socket?.close()
    this.#socket = undefined
    this.#watchers.clear()
  }

  #listen(ownPortId: number): void {
    const socket = this.#open()
    // The filter first: from the moment of joining on, nothing of our own comes through.
    socket.ignorePortId(ownPortId)
    socket.join(notificationGroup)
    this.#socket = socket
    this.#stop = socket.whenReadable(() => {
      const changed = changedTables(socket)
      for (const [run, name] of [...this.#watchers]) if (changed === 'any' || changed.has(name)) run()
    })
  }
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
      // In all of nftables' messages the first attribute is the table's name, except in those of generations, which are of no family.
      if (family !== undefined) changed.add(tableName(family, message.attributes.text(1) ?? ''))
    }
  }
  return lost ? 'any' : changed
}
