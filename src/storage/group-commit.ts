import type { Frame } from './frames.ts'
import { type Change, type CommitResult, type Entry, FutureRevisionError } from './store.ts'
import { changesAnything, conflictsOf, type DatedChange, datedChanges, expiryOf, type Versions } from './versions.ts'

export type Request = { readonly reject: (error: Error) => void } & (
  | { readonly type: 'commit'; readonly changes: readonly Change[]; readonly resolve: (result: CommitResult) => void }
  | { readonly type: 'compact'; readonly revision: number; readonly resolve: () => void }
  | { readonly type: 'probe'; readonly resolve: () => void }
  /** Values whose time is over are to go. */
  | { readonly type: 'expire'; readonly resolve: () => void }
)

/** What becomes durable in one write. */
export interface Group {
  /** In the order of their revisions, which begin after the newest. */
  readonly commits: readonly (readonly DatedChange[])[]
  /** What to write: one frame, so that a torn write takes all of it. Undefined: nothing changes. */
  readonly frame: Frame | undefined
  readonly compactTo: number
  /** Gives every request its answer, once what it rests on is safe. */
  succeed(): void
  fail(error: Error): void
}

const maxGroupRequests = 4096
const maxGroupBytes = 8 << 20

/** Takes requests off the queue and judges them in order, each on top of those before it; nothing is applied yet. `nowMs`: the wall clock. */
export function planGroup(queue: Request[], versions: Versions, nowMs: number): Group {
  const pending = new Map<string, Entry | undefined>()
  const current = (key: string): Entry | undefined => (pending.has(key) ? pending.get(key) : versions.current(key))
  const commits: (readonly DatedChange[])[] = []
  const answers: (() => void)[] = []
  const rejects: ((error: Error) => void)[] = []
  let compactTo = 0
  let probe = false
  let bytes = 0
  let taken = 0
  while (taken < queue.length && taken < maxGroupRequests && bytes < maxGroupBytes) {
    const request = queue[taken]!
    // A compaction stands for itself: it says what is readable after it.
    if (request.type === 'compact' && taken > 0) break
    taken++
    rejects.push(request.reject)
    if (request.type === 'compact') {
      if (request.revision > versions.revision) {
        answers.push(() => request.reject(new FutureRevisionError(request.revision, versions.revision)))
      } else {
        compactTo = request.revision
        answers.push(request.resolve)
      }
      break
    }
    if (request.type === 'probe') {
      probe = true
      answers.push(request.resolve)
      continue
    }
    if (request.type === 'expire') {
      answers.push(request.resolve)
      const expired = expiryOf(versions, nowMs, (key) => pending.has(key))
      for (const { key } of expired) pending.set(key, undefined)
      if (expired.length > 0) commits.push(expired)
      continue
    }
    const result = judge(request.changes, versions.revision + commits.length, current, pending)
    answers.push(() => request.resolve(result.answer))
    if (!result.applies) continue
    commits.push(datedChanges(request.changes, nowMs))
    for (const change of request.changes) bytes += change.value?.byteLength ?? 0
  }
  queue.splice(0, taken)
  return {
    commits,
    frame: frameOf(commits, versions, compactTo, probe),
    compactTo,
    succeed: () => {
      for (const answer of answers) answer()
    },
    fail: (error) => {
      for (const reject of rejects) reject(error)
    },
  }
}

function frameOf(commits: Group['commits'], versions: Versions, compactTo: number, probe: boolean): Frame | undefined {
  if (commits.length > 0) return { type: 'commits', firstRevision: versions.revision + 1, commits }
  if (compactTo > versions.compactedRevision) return { type: 'compacted', revision: compactTo }
  return probe ? { type: 'probe' } : undefined
}

/** Judges one commit at `revision`; what it would put is added to `pending`. */
function judge(
  changes: readonly Change[],
  revision: number,
  current: (key: string) => Entry | undefined,
  pending: Map<string, Entry | undefined>,
): { answer: CommitResult; applies: boolean } {
  const conflicts = conflictsOf(changes, current)
  if (conflicts) return { answer: { ok: false, revision, conflicts }, applies: false }
  if (!changesAnything(changes, current)) return { answer: { ok: true, revision }, applies: false }
  const modRevision = revision + 1
  for (const { key, value } of changes) {
    const createRevision = current(key)?.createRevision ?? modRevision
    pending.set(key, value && { key, value, createRevision, modRevision })
  }
  return { answer: { ok: true, revision: modRevision }, applies: true }
}
