import type { Encodable } from '../../machinery/protobuf.ts'
import type { Change, CommitResult, Entry } from '../store.ts'
import { Target, type txn } from './etcd-messages.ts'
import type { KeyLayout } from './key-layout.ts'

type Question = Encodable<(typeof txn)['question']>
type Answer = { header: { revision: number } | undefined; succeeded: boolean; responses: readonly Response[] }
type Response = { range: { kvs: readonly Parameters<KeyLayout['entryOf']>[0][] } | undefined }

const expecting = (changes: readonly Change[]): Change[] => changes.filter(({ expect }) => expect !== undefined)

/** All changes if every expectation holds; otherwise what the store has where something was expected. */
export function transactionOf(changes: readonly Change[], layout: KeyLayout, leaseOf: (change: Change) => number): Question {
  return {
    compare: expecting(changes).map(({ key, expect }) => ({ target: Target.mod, key: layout.keyOf(key), modRevision: expect })),
    success: changes.map((change) => {
      const key = layout.keyOf(change.key)
      return change.value === undefined ? { deleteRange: { key } } : { put: { key, value: change.value, lease: leaseOf(change) } }
    }),
    failure: expecting(changes).map(({ key }) => ({ range: { key: layout.keyOf(key) } })),
  }
}

/**
 * A revision is never had twice, so of several tries of a change that expects one at most one takes effect. A key that must not be there
 * may be made, deleted, and then be made once more by a try that came late.
 */
export function isRepeatable(changes: readonly Change[]): boolean {
  return changes.every(({ expect }) => expect !== undefined && expect > 0)
}

export function resultOf(changes: readonly Change[], answer: Answer, layout: KeyLayout): CommitResult {
  const revision = answer.header?.revision ?? 0
  if (answer.succeeded) return { ok: true, revision }
  const conflicts = new Map<string, Entry | undefined>()
  for (const [i, { key, expect }] of expecting(changes).entries()) {
    const kv = answer.responses[i]?.range?.kvs[0]
    if ((kv?.modRevision ?? 0) !== expect) conflicts.set(key, kv && layout.entryOf(kv))
  }
  return { ok: false, revision, conflicts }
}
