import type { ServiceCIDR } from '../api/generated/types.ts'
import { serviceCidrs } from '../api/networking/service-cidr.ts'
import type { Client } from '../client/client.ts'
import { type InformerDeps, startInformer } from '../client/informer.ts'
import { canonicalCidr } from '../machinery/ip-address.ts'
import { StatusError } from '../machinery/status.ts'
import type { AddressFamily } from './service-port.ts'

type Deps = Omit<InformerDeps<ServiceCIDR>, 'resource'>

/** From which ranges Services get their addresses, as the cluster's ServiceCIDRs say now, beside those that were configured. */
export class ServiceRanges {
  readonly #configured: readonly string[]
  #found: readonly string[] = []

  constructor(configured: readonly string[]) {
    this.#configured = configured
  }

  /** Follows the ServiceCIDRs until the signal. Resolves once they are known, or where a cluster has none (before v1.33) or tells us none. */
  async follow(deps: Deps, changed: () => void): Promise<void> {
    // Whatever else fails now, the informer tries again.
    if ((await toldRanges(deps.client).catch(() => [])) === undefined) {
      deps.log.info('the cluster does not tell which addresses are Services')
      return
    }
    const informer = startInformer<ServiceCIDR>({ ...deps, resource: serviceCidrs })
    const take = (): void => {
      const found = informer.list().flatMap(({ spec }) => spec?.cidrs ?? [])
      const before = this.all().join()
      this.#found = found
      if (this.all().join() !== before) changed()
    }
    informer.on({ added: take, updated: take, deleted: take })
    await informer.synced()
  }

  /** In an order that means nothing else, each once. */
  all(family?: AddressFamily): readonly string[] {
    const all = [...this.#configured, ...this.#found].map((cidr) => canonicalCidr(cidr) ?? cidr)
    return [...new Set(all)].filter((cidr) => family === undefined || cidr.includes(':') === (family === 'IPv6')).sort()
  }
}

/** What the ServiceCIDRs say; undefined where the cluster has none, or does not let us know. */
export async function toldRanges(client: Client): Promise<readonly string[] | undefined> {
  try {
    const { items } = await client.resource<ServiceCIDR>(serviceCidrs).list()
    return items.flatMap(({ spec }) => spec?.cidrs ?? [])
  } catch (error) {
    if (error instanceof StatusError && [403, 404].includes(error.code)) return undefined
    throw error
  }
}
