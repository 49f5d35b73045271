import { loadLibc } from '../../src/host/libc.ts'
import { openNetlinkKernel } from '../../src/netfilter/nftables/netlink-kernel.ts'
import type { NftSet } from '../../src/netfilter/nftables/ruleset.ts'
import type { Change, Transaction } from '../../src/netfilter/nftables/transaction.ts'
import { keyOf } from '../../src/netfilter/nftables/values.ts'
import type { Layout, LayoutDeps, LayoutService } from './layout.ts'
import { chainName, nftablesLayout } from './nftables.ts'

const endpointTypes = ['ipv4_addr', 'inet_service'] as const
const clusterIps: NftSet = { name: 'cluster-ips', key: ['ipv4_addr'] }
const serviceIps: NftSet = { name: 'service-ips', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' }

/**
 * The same layout as kube-proxy 1.37 programs it: over one open netlink socket, as our own back end does, without listing. The map in a
 * Service's rule has a name here, where kube-proxy's has none; the kernel finds both in the same list.
 */
export function nftablesNetlinkLayout(deps: LayoutDeps): Layout {
  const libc = loadLibc((reason) => {
    throw new Error(`netlink needs system calls: ${reason}`)
  })
  const kernel = openNetlinkKernel(libc!)
  /** The maps that this process has made, by their chain. */
  const maps = new Map<string, NftSet>()
  let made = 0
  const syncOf = (changed: Parameters<Layout['sync']>[0]): Transaction => {
    const sets: NftSet[] = [clusterIps, serviceIps]
    const changes = changed.flatMap(({ before, after }) => {
      const chain = chainName(after)
      const map: NftSet = { name: `choice${++made}`, key: ['index'], data: endpointTypes }
      const former = maps.get(chain)
      maps.set(chain, map)
      sets.push(map)
      return [
        ...(before ? [] : newService(after)),
        ...endpointsOf(after, map),
        ...(former ? [{ kind: 'delete set', set: former } satisfies Change] : []),
      ]
    })
    return { table: { family: 'ip', name: 'kube-proxy', sets }, changes }
  }
  const text = nftablesLayout(deps)
  return { ...text, sync: (changed) => kernel.apply(syncOf(changed)) }
}

function newService(service: LayoutService): Change[] {
  const { clusterIp, port } = service
  const verdict = { goto: chainName(service) }
  return [
    { kind: 'add chain', chain: chainName(service) },
    { kind: 'add elements', set: clusterIps, elements: [{ key: keyOf(clusterIps.key, clusterIp) }] },
    { kind: 'add elements', set: serviceIps, elements: [{ key: keyOf(serviceIps.key, clusterIp, 'tcp', port), verdict }] },
  ]
}

function endpointsOf(service: LayoutService, map: NftSet): Change[] {
  const elements = service.endpoints.map((endpoint, i) => {
    const [address, port] = endpoint.split(':') as [string, string]
    return { key: keyOf(map.key, i), data: keyOf(endpointTypes, address, Number(port)) }
  })
  const choice = { numgen: 'random', modulus: elements.length } as const
  const chain = chainName(service)
  return [
    { kind: 'flush chain', chain },
    { kind: 'add set', set: map },
    { kind: 'add elements', set: map, elements },
    {
      kind: 'add rule',
      chain,
      rule: {
        statements: [
          { kind: 'match', key: 'meta l4proto', value: 'tcp' },
          { kind: 'dnat', to: { map: map.name, key: [choice] } },
        ],
      },
    },
  ]
}
