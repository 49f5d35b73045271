import type { ServiceCIDR } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import { serviceCidrs } from '../../api/registry.ts'
import { type Clock, timestamp } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { deepEqual } from '../../machinery/equality.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { isAlreadyExists } from '../../machinery/status.ts'
import { byServer } from '../by-server.ts'
import type { WatchCache } from '../watch-cache.ts'
import type { Writes } from '../writes.ts'
import { defaultServiceCidr, type ServiceRanges } from './service-ranges.ts'

interface Deps {
  readonly writes: Writes
  readonly cache: WatchCache
  readonly clock: Clock
  readonly log: Log
}

const kind = serviceCidrs as unknown as Kind
const place = { kind, namespace: undefined, name: defaultServiceCidr }

/** Keeps the ServiceCIDR that says what the server was started with. */
export class DefaultServiceCidr {
  readonly #deps: Deps
  readonly #cidrs: readonly string[]
  #warned = false

  constructor(deps: Deps, { configured }: Pick<ServiceRanges, 'configured'>) {
    this.#deps = deps
    this.#cidrs = configured.map(({ text }) => text)
  }

  /** Makes it, or adds the second family that the server has now; says that it is ready, unless somebody has said anything. */
  async ensure(): Promise<void> {
    const { writes, cache, clock } = this.#deps
    let current = await this.#foundOrMade()
    if (current.metadata.deletionTimestamp !== undefined) return
    if (!deepEqual(current.spec?.cidrs, this.#cidrs)) {
      if (!this.#extends(current)) return this.#warn(current)
      const spec = { cidrs: [...this.#cidrs] }
      const written = await writes.update(place, { ...byServer, subresource: undefined }, (now) => ({ ...now.copy(), spec }) as KubeObject)
      current = written.object as ServiceCIDR
    }
    if (current.status?.conditions?.some(({ type }) => type === 'Ready')) return
    const ready = { type: 'Ready', status: 'True', reason: '', message: 'Kubernetes default Service CIDR is ready' }
    const conditions = [{ ...ready, lastTransitionTime: timestamp(clock.now()) }]
    await writes.update(place, { ...byServer, subresource: 'status' }, (now) => ({ ...now.copy(), status: { conditions } }) as KubeObject)
    await cache.fresh()
  }

  async #foundOrMade(): Promise<ServiceCIDR> {
    const { writes, cache } = this.#deps
    const found = cache.kind(kind).get(undefined, defaultServiceCidr)
    if (found) return found.object as ServiceCIDR
    const object = { metadata: { name: defaultServiceCidr }, spec: { cidrs: [...this.#cidrs] } } as unknown as KubeObject
    try {
      return (await writes.create(kind, undefined, object, byServer)).object as ServiceCIDR
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
    await cache.fresh()
    return cache.kind(kind).get(undefined, defaultServiceCidr)?.object as ServiceCIDR
  }

  #extends({ spec }: ServiceCIDR): boolean {
    return this.#cidrs.length === 2 && spec?.cidrs?.length === 1 && spec.cidrs[0] === this.#cidrs[0]
  }

  #warn({ spec }: ServiceCIDR): void {
    if (this.#warned) return
    this.#warned = true
    const ranges = { configured: this.#cidrs.join(','), serviceCidr: (spec?.cidrs ?? []).join(',') }
    this.#deps.log.warn(
      'the default ServiceCIDR is not what this server was started with: Services get addresses of the ServiceCIDR',
      ranges,
    )
  }
}
