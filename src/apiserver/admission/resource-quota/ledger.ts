import type { ResourceQuota } from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import { resourceQuotas } from '../../../api/registry.ts'
import { conflict, objectModified } from '../../../machinery/status.ts'
import type { Change } from '../../../storage/store.ts'
import { encodeValue } from '../../cached-object.ts'
import { QuotaRaceError } from '../../quota-race-error.ts'
import type { WatchCache } from '../../watch-cache.ts'
import type { AdmissionRequest } from '../plugin.ts'
import { chargesFor } from './charge.ts'

/** Times a charge is tried against those of other servers. */
const attempts = 20

/**
 * Charges quotas in the very commit that writes the object: either both take place or neither, so that no quota is ever
 * exceeded, and none is charged for what was not made. Within a server the writes of a namespace with quotas take turns.
 */
export class QuotaLedger {
  readonly #cache: WatchCache
  readonly #turns = new Map<string, Promise<void>>()

  constructor(cache: WatchCache) {
    this.#cache = cache
  }

  /** `write` commits the object with the changes that it is given. */
  async charged<T>(request: AdmissionRequest, write: (charges: readonly Change[]) => Promise<T>): Promise<T> {
    const { namespace } = request
    const cache = this.#cache.kind(resourceQuotas)
    if (namespace === undefined || cache.list(namespace).length === 0) return write([])
    return this.#inTurn(namespace, async () => {
      for (let attempt = 1; ; attempt++) {
        await this.#cache.fresh()
        const charges = this.#changesFor(request, namespace)
        try {
          return await write(charges)
        } catch (error) {
          if (!(error instanceof QuotaRaceError)) throw error
          if (attempt === attempts) throw conflict(resourceQuotas as unknown as Kind, error.quota, objectModified)
        }
      }
    })
  }

  #changesFor(request: AdmissionRequest, namespace: string): Change[] {
    const cached = this.#cache.kind(resourceQuotas).list(namespace)
    const charges = chargesFor(
      request,
      cached.map(({ object }) => object as ResourceQuota),
    )
    return charges.map(({ quota, used }) => {
      const item = cached.find(({ name }) => name === quota.metadata.name) as (typeof cached)[number]
      const next = item.copy() as ResourceQuota
      next.status = { ...next.status, used }
      return { key: item.key, value: encodeValue(next), expect: item.revision }
    })
  }

  async #inTurn<T>(namespace: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(namespace) ?? Promise.resolve()
    const { promise: done, resolve } = Promise.withResolvers<void>()
    this.#turns.set(namespace, done)
    await before
    try {
      return await run()
    } finally {
      resolve()
      if (this.#turns.get(namespace) === done) this.#turns.delete(namespace)
    }
  }
}
