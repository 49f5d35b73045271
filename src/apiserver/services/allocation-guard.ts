import type { Change, CommitResult } from '../../storage/store.ts'

/** What a Service was to be given has been given to another meanwhile: to be looked for again. */
export class AllocationRaceError extends Error {
  constructor() {
    super('another Service was given an address or port at the same moment')
    this.name = 'AllocationRaceError'
  }
}

const key = '/allocations/nodeports'

/**
 * Keeps servers that share a store from giving two Services one node port. Each write that takes one changes one more key
 * in the same commit, expecting it as this server last knew it: so whoever has not seen what another took cannot take anything.
 */
export class AllocationGuard {
  #revision = 0

  claim(): Change {
    return { key, value: new Uint8Array(0), expect: this.#revision }
  }

  settle(result: CommitResult): void {
    if (result.ok) this.#revision = result.revision
    else if (result.conflicts.has(key)) this.#revision = result.conflicts.get(key)?.modRevision ?? 0
  }
}
