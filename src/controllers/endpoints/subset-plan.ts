import type { EndpointAddress, EndpointSubset, Pod, Service } from '../../api/generated/types.ts'
import { addressOf, belongs, conditionsOf, familiesOf, hostnameOf } from './membership.ts'
import { portsKey, portsOf } from './pod-ports.ts'

/** An Endpoints object is one value for all: upstream cuts it here, and says so in an annotation. */
const maxAddresses = 1_000

/** The subsets of the core/v1 Endpoints of a Service: the pods that share their ports stand together. */
export function subsetsOf(service: Service, pods: readonly Pod[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const groups = new Map<string, EndpointSubset & { addresses: EndpointAddress[]; notReadyAddresses: EndpointAddress[] }>()
  const family = familiesOf(service)[0] ?? 'IPv4'
  const sorted = [...pods].sort((a, b) => ((addressOf(a, family) ?? '') < (addressOf(b, family) ?? '') ? -1 : 1))
  for (const pod of sorted) {
    const ip = belongs(pod) ? addressOf(pod, family) : undefined
    // Endpoints have no word for "still serving, on its way out": only those who ask for everyone get such pods.
    if (!ip || (pod.metadata.deletionTimestamp !== undefined && !service.spec.publishNotReadyAddresses)) continue
    const ports = portsOf(service, pod)
    if (ports.length === 0 && (service.spec.ports?.length ?? 0) > 0) continue
    const key = portsKey(ports)
    const group = groups.get(key) ?? {
      addresses: [],
      notReadyAddresses: [],
      ports: ports.map(({ name, ...port }) => ({ ...(name ? { name } : {}), ...port })),
    }
    groups.set(key, group)
    const list = conditionsOf(service, pod).ready ? group.addresses : group.notReadyAddresses
    list.push(addressFor(service, pod, ip))
  }
  const subsets = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
  const truncated = cut(subsets)
  return { subsets: subsets.map(withoutEmptyLists).filter((subset) => subset.addresses || subset.notReadyAddresses), truncated }
}

function addressFor(service: Service, pod: Pod, ip: string): EndpointAddress {
  const hostname = hostnameOf(service, pod)
  return {
    ip,
    ...(hostname ? { hostname } : {}),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: {
      kind: 'Pod',
      ...(pod.metadata.namespace ? { namespace: pod.metadata.namespace } : {}),
      name: pod.metadata.name,
      uid: pod.metadata.uid,
    },
  }
}

/** Ready addresses stay before those that aren't. */
function cut(subsets: readonly { addresses: EndpointAddress[]; notReadyAddresses: EndpointAddress[] }[]): boolean {
  let room = maxAddresses
  let truncated = false
  for (const list of [...subsets.map((subset) => subset.addresses), ...subsets.map((subset) => subset.notReadyAddresses)]) {
    if (list.length > room) {
      truncated = true
      list.length = room
    }
    room -= list.length
  }
  return truncated
}

function withoutEmptyLists(subset: EndpointSubset): EndpointSubset {
  const { addresses, notReadyAddresses, ports } = subset
  return {
    ...(addresses?.length ? { addresses } : {}),
    ...(notReadyAddresses?.length ? { notReadyAddresses } : {}),
    ...(ports?.length ? { ports } : {}),
  }
}
