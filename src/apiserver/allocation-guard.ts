import type { Change, CommitResult } from '../storage/store.ts'

/** Another server has written a Service since this one looked for a free address: to be looked for again. */
export class AllocationRaceError extends Error {
  constructor() {
    super('another server has written a Service at the same moment')
    this.name = 'AllocationRaceError'
  }
}

const key = '/allocations/services'

/**
 * Keeps servers that share a store from giving two Services one address or node port. Each write of a Service changes one
 * more key in the same commit, expecting it as this server last knew it: so whoever has not seen another's Service cannot write his own.
 */
export class AllocationGuard {
  #revision = 0

  claim(): Change {
    return { key, value: new Uint8Array(0), expect: this.#revision }
  }

  /** Throws {@link AllocationRaceError} where nothing but the claim was in conflict. */
  settle(result: CommitResult): void {
    if (result.ok) {
      this.#revision = result.revision
      return
    }
    if (!result.conflicts.has(key)) return
    this.#revision = result.conflicts.get(key)?.modRevision ?? 0
    if (result.conflicts.size === 1) throw new AllocationRaceError()
  }
}
