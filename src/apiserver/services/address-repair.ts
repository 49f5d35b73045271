import type { IPAddress, Service } from '../../api/generated/types.ts'
import { ipAddresses, services } from '../../api/registry.ts'
import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { byServer, unlessMeanwhile } from '../by-server.ts'
import type { WatchCache } from '../watch-cache.ts'
import type { Writes } from '../writes.ts'
import { addressesOf, ipAddressFields, ipAddressKind, serviceOf } from './ip-address-objects.ts'
import { planRepair } from './repair-plan.ts'

interface Deps {
  readonly writes: Writes
  readonly cache: WatchCache
  readonly clock: Clock
  readonly log: Log
}

/** As upstream. */
const everyMs = 3 * 60_000

/**
 * Keeps Services and IPAddresses in agreement where somebody else wrote them: an older server that knew no IPAddresses, or a
 * user who deleted one. Runs at the start, from time to time, and when an address is taken from a Service that still has it.
 */
export class AddressRepair {
  readonly #deps: Deps
  #cancel: () => void = () => {}
  #last: Promise<void> = Promise.resolve()
  #closed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Resolves once all is in order. */
  async begin(): Promise<void> {
    await this.#repair()
    this.#deps.cache.kind(ipAddresses).onChange(({ previous }) => {
      // A change of the Service in the same commit is seen by then.
      if (previous) queueMicrotask(() => this.#stillHeld(previous.object as IPAddress) && this.#again())
    })
    this.#schedule()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel()
    await this.#last
  }

  #schedule(): void {
    this.#cancel = this.#deps.clock.after(everyMs, () => {
      this.#again()
      this.#schedule()
    })
  }

  #again(): void {
    if (this.#closed) return
    this.#last = this.#last.then(() =>
      this.#repair().catch((error: unknown) => {
        if (!this.#closed) this.#deps.log.warn('cannot repair addresses of Services', { error })
      }),
    )
  }

  #stillHeld(address: IPAddress): boolean {
    const parent = serviceOf(address)
    const service = parent && (this.#deps.cache.kind(services).get(parent.namespace, parent.name)?.object as Service | undefined)
    return service !== undefined && addressesOf(service).includes(address.metadata.name)
  }

  async #repair(): Promise<void> {
    const { cache, writes, log } = this.#deps
    await cache.fresh()
    const all = <T>(kind: { group: string; plural: string }): T[] =>
      cache
        .kind(kind)
        .list(undefined)
        .map(({ object }) => object as T)
    const plan = planRepair(all<Service>(services), all<IPAddress>(ipAddresses))
    for (const shared of plan.shared) log.warn('two Services have one address: one of them has to be made anew', shared)
    for (const { metadata } of plan.remove) {
      log.info('removing an IPAddress that no Service has', { address: metadata.name })
      const place = { kind: ipAddressKind, namespace: undefined, name: metadata.name }
      const request = { user: byServer.user, dryRun: false, audit: undefined, uid: metadata.uid, gracePeriodSeconds: undefined }
      await unlessMeanwhile(writes.delete(place, { ...request, propagation: undefined, resourceVersion: undefined }))
    }
    for (const { address, service } of plan.make) {
      log.info('making the IPAddress of a Service', { address, service: `${service.namespace}/${service.name}` })
      await unlessMeanwhile(writes.create(ipAddressKind, undefined, ipAddressFields(address, service) as unknown as KubeObject, byServer))
    }
  }
}
