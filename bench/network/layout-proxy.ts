import type { EndpointSlice, Service } from '../../src/api/generated/types.ts'
import { endpointSlices, services } from '../../src/api/registry.ts'
import type { Client } from '../../src/client/client.ts'
import { startInformer } from '../../src/client/informer.ts'
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { iptablesLayout } from '../kube-proxy-layouts/iptables.ts'
import { type Layout, type LayoutService, layoutService } from '../kube-proxy-layouts/layout.ts'
import { nftablesLayout } from '../kube-proxy-layouts/nftables.ts'
import { nftablesNetlinkLayout } from '../kube-proxy-layouts/nftables-netlink.ts'
import type { BackEnd } from './back-ends.ts'
import { plan } from './packet-bed.ts'

interface LayoutProxyDeps {
  readonly client: Client
  readonly backEnd: BackEnd
  /** Load as kube-proxy does, or only see to it that the state is there. */
  readonly whole: boolean
  readonly loaded: () => void
  readonly synced: () => void
}

const serviceLabel = 'kubernetes.io/service-name'
const namespace = 'bench/'
/** Of a load that is measured. */
const loadTimeoutMs = 120_000

/**
 * Keeps one of kube-proxy's layouts up to date from the API, by our informers, at once after each change: kube-proxy itself would wait
 * until a second has passed since its last sync.
 */
export async function runLayoutProxy({ client, backEnd, whole, loaded, synced }: LayoutProxyDeps): Promise<void> {
  const layout = layoutOf(backEnd)
  const deps = { client, clock: systemClock, random: systemRandom, log: silentLog, signal: new AbortController().signal }
  const byService = (slice: EndpointSlice): string[] => [`${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel]}`]
  const serviceInformer = startInformer<Service>({ ...deps, resource: services })
  const sliceInformer = startInformer<EndpointSlice>({ ...deps, resource: endpointSlices, indexes: { service: byService } })
  await Promise.all([serviceInformer.synced(), sliceInformer.synced()])
  const state = new Map<string, LayoutService>()
  const current = (key: string): LayoutService | undefined => {
    const service = serviceInformer.get(key)
    return service && layoutService(service, sliceInformer.byIndex('service', key))
  }
  for (const { metadata } of serviceInformer.list()) {
    const key = `${metadata.namespace}/${metadata.name}`
    if (key.startsWith(namespace)) state.set(key, current(key) as LayoutService)
  }
  await (whole ? layout.load([...state.values()], loadTimeoutMs) : layout.loadInParts([...state.values()]))
  loaded()
  let wake = (): void => undefined
  const marked = new Set<string>()
  const mark = (key: string): void => {
    if (!key.startsWith(namespace)) return
    marked.add(key)
    wake()
  }
  const markService = ({ metadata }: Service): void => mark(`${metadata.namespace}/${metadata.name}`)
  const markSlice = (slice: EndpointSlice): void => mark(byService(slice)[0] as string)
  serviceInformer.on({ added: markService, updated: markService })
  sliceInformer.on({ added: markSlice, updated: markSlice })
  marked.clear() // told of what is loaded already
  for (;;) {
    if (marked.size === 0) await new Promise<void>((resolve) => (wake = resolve))
    const keys = [...marked]
    marked.clear()
    const changed = keys.flatMap((key) => {
      const before = state.get(key)
      const after = current(key)
      if (after === undefined || after.endpoints.length === 0) return []
      state.set(key, after)
      return [{ before, after }]
    })
    if (changed.length === 0) continue
    await layout.sync(changed, state)
    synced()
  }
}

export function layoutOf({ mode, netlink, variant = 'nft' }: BackEnd): Layout {
  const deps = { exec: systemExec, node: plan }
  if (netlink) return nftablesNetlinkLayout(deps)
  return mode === 'nftables' ? nftablesLayout(deps) : iptablesLayout({ ...deps, variant })
}
