import { existsSync } from 'node:fs'
import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { loadLibc } from '../../host/libc.ts'
import { followTraces } from '../../netfilter/nftables/live-trace.ts'
import { openNftables } from '../../netfilter/nftables/open-nftables.ts'
import type { Family } from '../../netfilter/nftables/ruleset.ts'
import { createTable, removeTable } from '../../netfilter/nftables/transaction.ts'
import { type Followed, TraceLines, tracingTable } from '../../proxy/tracing/live-trace.ts'

interface Options {
  readonly exec: Exec
  readonly clock: Clock
  /** Packets at most. */
  readonly count: number
  readonly signal: AbortSignal
  /** The name of the pod that has an address. */
  readonly podAt: (address: string) => string | undefined
  /** Gets a line for each packet, and for each rule that decides something. */
  readonly print: (line: string) => void
}

const namePrefix = 'ownkube-trace-'

/** Left by one that was killed. */
function isStale(table: string): boolean {
  const pid = /^\d+$/.exec(table.startsWith(namePrefix) ? table.slice(namePrefix.length) : '')?.[0]
  return pid !== undefined && !existsSync(`/proc/${pid}`)
}

const longestMs = 24 * 3600 * 1000
/** What the kernel tells of one packet comes at once. */
const lastPacketMs = 500

/**
 * Follows real packets through the rules by the kernel's own tracing, until enough were seen, the signal, or a day has passed. The table that marks them
 * is removed in any case.
 */
export async function followPackets(followed: Followed, { exec, clock, count, signal, podAt, print }: Options): Promise<void> {
  const libc = loadLibc()
  const kernel = openNftables({ exec, clock })()
  if (!libc || !kernel) throw new Error('packets cannot be followed on this machine: system calls through koffi are not to be had')
  const name = `${namePrefix}${process.pid}`
  const table = tracingTable(name, followed)
  const tables = await kernel.readAll()
  for (const { family, name: stale } of tables) if (isStale(stale)) await kernel.apply(removeTable(family as Family, stale))
  const lines = new TraceLines(name, tables, podAt)
  const enough = new AbortController()
  const tooMany = new AbortController()
  const wait = async (ms: number, end: AbortSignal): Promise<void> => {
    await clock.sleep(ms, end).catch((error: unknown) => {
      if (!end.aborted) throw error
    })
  }
  const stop = followTraces(libc, {
    step(step) {
      const text = lines.take(step)
      // The last packet is followed to its end: the one after it is no longer told.
      if (lines.seen >= count) enough.abort()
      if (lines.seen > count) return tooMany.abort()
      for (const line of text) print(line)
    },
    lost: () => print('(the kernel told more than could be read in time)'),
  })
  try {
    await kernel.apply(createTable(table, () => []))
    // The wait also keeps the process alive: the socket that is read does not.
    await wait(longestMs, AbortSignal.any([signal, enough.signal]))
    await wait(lastPacketMs, AbortSignal.any([signal, tooMany.signal]))
  } finally {
    await kernel.apply(removeTable(table.family, name))
    stop()
    kernel.close()
  }
}
