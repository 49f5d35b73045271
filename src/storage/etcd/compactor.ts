import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { StoreClosedError } from '../store.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import { Target, txn } from './etcd-messages.ts'
import type { KeyLayout } from './key-layout.ts'

interface Deps {
  readonly calls: EtcdCalls
  readonly layout: KeyLayout
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly compact: (revision: number) => Promise<void>
}

/** As Kubernetes: so old may the revision be that a client still reads or watches from. */
const everyMs = 5 * 60_000

/**
 * Forgets, every five minutes, what was there five minutes ago. Of several servers one does it: the one that is first to write the
 * compaction key, whose version counts the rounds.
 */
export async function compactRegularly(deps: Deps): Promise<void> {
  const { clock, log, signal } = deps
  let round = 0
  let revision = 0
  while (!signal.aborted) {
    try {
      await clock.sleep(everyMs, signal)
      const begun = await beginRound(deps, round, revision)
      if (begun.won && revision > 0) {
        await deps.compact(revision)
        log.info('compacted etcd', { revision })
      }
      round = begun.round
      revision = begun.revision
    } catch (error) {
      if (signal.aborted || error instanceof StoreClosedError) return
      log.warn('cannot compact etcd; trying again later', { error })
    }
  }
}

/** `revision`: that of now, for the next round. */
async function beginRound(
  { calls, layout }: Deps,
  round: number,
  compacting: number,
): Promise<{ won: boolean; round: number; revision: number }> {
  const key = layout.compaction
  const question = {
    compare: [{ target: Target.version, key, version: round }],
    success: [{ put: { key, value: Buffer.from(String(compacting)) } }],
    failure: [{ range: { key } }],
  }
  const { answer } = await calls.write(txn, question, false)
  const other = answer.responses[0]?.range?.kvs[0]?.version ?? 0
  return { won: answer.succeeded, round: answer.succeeded ? round + 1 : other, revision: answer.header?.revision ?? 0 }
}
