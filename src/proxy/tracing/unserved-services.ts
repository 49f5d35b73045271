import type { EndpointSlice, Service } from '../../api/generated/types.ts'
import { serviceNameLabel } from '../service-port.ts'
import { type ListedEndpoint, type ListedPort, stateOf } from './service-list.ts'

/** Headless and ExternalName Services, which DNS alone serves: no rule of any node knows of them, so nobody counts. */
export function listUnserved({ services, slices }: { services: readonly Service[]; slices: readonly EndpointSlice[] }): ListedPort[] {
  return services
    .filter(({ spec }) => spec?.type === 'ExternalName' || spec?.clusterIP === 'None')
    .map(({ metadata, spec }) => ({
      name: `${metadata.namespace}/${metadata.name}`,
      type: spec?.type ?? 'ClusterIP',
      frontend: spec?.type === 'ExternalName' ? undefined : 'None',
      externalAddresses: spec?.type === 'ExternalName' ? [spec.externalName ?? ''] : (spec?.externalIPs ?? []),
      nodePort: undefined,
      connections: undefined,
      packets: undefined,
      bySockets: undefined,
      dropsHere: [],
      endpoints: endpointsIn(slices.filter((slice) => isOf(slice, metadata))),
    }))
}

const isOf = ({ metadata }: EndpointSlice, { namespace, name }: Service['metadata']): boolean =>
  metadata.namespace === namespace && metadata.labels?.[serviceNameLabel] === name

/** DNS answers with addresses, so an endpoint counts once whatever ports it has. */
function endpointsIn(slices: readonly EndpointSlice[]): ListedEndpoint[] {
  const found = new Map<string, ListedEndpoint>()
  for (const { addresses, nodeName, conditions } of slices.flatMap((slice) => slice.endpoints ?? [])) {
    const [address] = addresses
    if (address === undefined) continue
    const ready = conditions?.ready ?? true
    const state = stateOf({ ready, serving: conditions?.serving ?? ready, terminating: conditions?.terminating ?? false })
    found.set(address, { address, node: nodeName, state, used: false, connections: undefined, packets: undefined })
  }
  return [...found.values()]
}
