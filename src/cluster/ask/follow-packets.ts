import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { loadLibc } from '../../host/libc.ts'
import { followTraces } from '../../netfilter/nftables/live-trace.ts'
import { openNftables } from '../../netfilter/nftables/open-nftables.ts'
import { createTable, removeTable } from '../../netfilter/nftables/transaction.ts'
import { type Followed, TraceLines, tracingTable } from '../../proxy/tracing/live-trace.ts'

interface Options {
  readonly exec: Exec
  readonly clock: Clock
  /** Packets at most. */
  readonly count: number
  readonly signal: AbortSignal
  /** Gets a line for each packet, and for each rule that decides something. */
  readonly print: (line: string) => void
}

/**
 * Follows real packets through the rules by the kernel's own tracing, until enough were seen or the signal. The table that marks them
 * is removed in any case.
 */
export async function followPackets(followed: Followed, { exec, clock, count, signal, print }: Options): Promise<void> {
  const libc = loadLibc()
  const kernel = openNftables({ exec, clock })()
  if (!libc || !kernel) throw new Error('packets cannot be followed on this machine: system calls through koffi are not to be had')
  const name = `ownkube-trace-${process.pid}`
  const table = tracingTable(name, followed)
  const lines = new TraceLines(name, await kernel.readAll())
  let done = (): void => undefined
  const ended = new Promise<void>((resolve) => {
    done = resolve
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const stop = followTraces(libc, {
    step(step) {
      const text = lines.take(step)
      // The last packet is followed to its end: the one after it is no longer told.
      if (lines.seen > count) return done()
      for (const line of text) print(line)
    },
    lost: () => print('(the kernel told more than could be read in time)'),
  })
  try {
    await kernel.apply(createTable(table, () => []))
    await ended
  } finally {
    await kernel.apply(removeTable(table.family, name))
    stop()
    kernel.close()
  }
}
