import { isHeadless } from '../../api/core/service-facts.ts'
import type { DiscoveryV1EndpointPort, Endpoint, EndpointHints, EndpointSlice, Node, Pod, Service } from '../../api/generated/types.ts'
import { deepEqual } from '../../machinery/equality.ts'
import { controllerReference, type NewObject } from '../../machinery/object.ts'
import { serviceNameLabel } from '../informers.ts'
import { addressOf, belongs, conditionsOf, type Family, familiesOf, hostnameOf } from './membership.ts'
import { portsKey, portsOf } from './pod-ports.ts'

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const managerName = 'endpointslice-controller.k8s.io'
const headlessLabel = 'service.kubernetes.io/headless'
const maxEndpoints = 100

export interface SlicePlan {
  readonly create: readonly NewObject<EndpointSlice>[]
  readonly update: readonly EndpointSlice[]
  readonly remove: readonly EndpointSlice[]
}

interface Group {
  readonly family: Family
  readonly ports: readonly DiscoveryV1EndpointPort[]
  readonly endpoints: Endpoint[]
}

/**
 * The fewest writes that make a Service's slices say who answers for it. `pods` are the selected ones. Endpoints stay
 * in the slice where they are; new ones fill slices that have room; a slice left empty goes.
 */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  existing: readonly EndpointSlice[],
  nodeOf: (name: string) => Node | undefined,
): SlicePlan {
  const create: NewObject<EndpointSlice>[] = []
  const update: EndpointSlice[] = []
  const remove: EndpointSlice[] = []
  const groups = groupsOf(service, pods, nodeOf)
  const labels = labelsOf(service)
  // Slices of an earlier Service of this name go with that one: the garbage collector would take them from under ours.
  const own = existing.filter((slice) => isOwnedBy(slice, service))
  const foreign = existing.filter((slice) => !own.includes(slice))
  const unclaimed = new Set(own)
  for (const [key, group] of groups) {
    const slices = own.filter((slice) => `${slice.addressType} ${portsKey(slice.ports ?? [])}` === key)
    for (const slice of slices) unclaimed.delete(slice)
    const filled = fill(group, slices)
    for (const [slice, endpoints] of filled.kept) {
      const changed = !sameEndpoints(slice.endpoints ?? [], endpoints) || !deepEqual(labels, ownLabels(slice, labels))
      if (changed) update.push({ ...slice, endpoints, metadata: { ...slice.metadata, labels: { ...slice.metadata.labels, ...labels } } })
    }
    remove.push(...filled.empty)
    for (const endpoints of filled.more) create.push(sliceOf(service, group, endpoints, labels))
  }
  // A slice of ports that nobody has any more can serve for new ones: one write in place of two.
  const plan = reuse({ create, update, remove: [...remove, ...unclaimed] })
  return { ...plan, remove: [...plan.remove, ...foreign] }
}

function isOwnedBy(slice: EndpointSlice, service: Service): boolean {
  return (slice.metadata.ownerReferences ?? []).some((owner) => owner.uid === service.metadata.uid)
}

function groupsOf(service: Service, pods: readonly Pod[], nodeOf: (name: string) => Node | undefined): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const family of familiesOf(service)) {
    const before = groups.size
    for (const pod of pods) {
      const address = belongs(pod) ? addressOf(pod, family) : undefined
      if (!address) continue
      const ports = portsOf(service, pod)
      const key = `${family} ${portsKey(ports)}`
      const group: Group = groups.get(key) ?? { family, ports, endpoints: [] }
      groups.set(key, group)
      group.endpoints.push(endpointOf(service, pod, address, nodeOf))
    }
    // A Service without endpoints still has one slice, which says so.
    if (groups.size === before) groups.set(`${family} `, { family, ports: [], endpoints: [] })
  }
  return groups
}

function endpointOf(service: Service, pod: Pod, address: string, nodeOf: (name: string) => Node | undefined): Endpoint {
  const { nodeName } = pod.spec
  const zone = nodeName ? nodeOf(nodeName)?.metadata.labels?.['topology.kubernetes.io/zone'] : undefined
  const hostname = hostnameOf(service, pod)
  const conditions = conditionsOf(service, pod)
  const hints = conditions.ready ? hintsOf(service, zone, nodeName) : undefined
  return {
    addresses: [address],
    conditions,
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
    targetRef: {
      kind: 'Pod',
      ...(pod.metadata.namespace ? { namespace: pod.metadata.namespace } : {}),
      name: pod.metadata.name,
      uid: pod.metadata.uid,
    },
  }
}

/** For whom a ready endpoint is, by trafficDistribution: its own zone, and its own node before that where this is asked for (KEP-4444, KEP-3015). */
function hintsOf({ spec }: Service, zone: string | undefined, nodeName: string | undefined): EndpointHints | undefined {
  if (!spec.trafficDistribution) return undefined
  const forNodes = spec.trafficDistribution === 'PreferSameNode' && nodeName ? { forNodes: [{ name: nodeName }] } : undefined
  return zone || forNodes ? { ...(zone ? { forZones: [{ name: zone }] } : {}), ...forNodes } : undefined
}

/** One pod at one address: a recreated pod is another, even under the same name. */
const identity = (endpoint: Endpoint): string => `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses.join(',')}`

interface Filled {
  readonly kept: ReadonlyMap<EndpointSlice, Endpoint[]>
  readonly empty: readonly EndpointSlice[]
  readonly more: readonly Endpoint[][]
}

function fill(group: Group, slices: readonly EndpointSlice[]): Filled {
  const missing = new Map(group.endpoints.map((endpoint) => [identity(endpoint), endpoint]))
  const kept = new Map<EndpointSlice, Endpoint[]>()
  for (const slice of slices) {
    const staying: Endpoint[] = []
    for (const endpoint of slice.endpoints ?? []) {
      const wanted = missing.get(identity(endpoint))
      if (!wanted || staying.length === maxEndpoints) continue
      missing.delete(identity(endpoint))
      staying.push(wanted)
    }
    kept.set(slice, staying)
  }
  const waiting = [...missing.values()]
  // Slices that are written anyway take new endpoints first, then the fullest with room: fewest writes, fewest slices.
  const changes = (slice: EndpointSlice): boolean => !sameEndpoints(slice.endpoints ?? [], kept.get(slice) ?? [])
  const order = [...slices].sort(
    (a, b) => Number(changes(b)) - Number(changes(a)) || (kept.get(b)?.length ?? 0) - (kept.get(a)?.length ?? 0),
  )
  for (const slice of order) kept.get(slice)?.push(...waiting.splice(0, maxEndpoints - (kept.get(slice)?.length ?? 0)))
  const more: Endpoint[][] = []
  while (waiting.length > 0) more.push(waiting.splice(0, maxEndpoints))
  let empty = slices.filter((slice) => kept.get(slice)?.length === 0)
  if (group.endpoints.length === 0) {
    empty = empty.slice(1)
    if (slices.length === 0) more.push([])
  }
  for (const slice of empty) kept.delete(slice)
  return { kept, empty, more }
}

function sameEndpoints(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  if (a.length !== b.length) return false
  const byIdentity = new Map(b.map((endpoint) => [identity(endpoint), endpoint]))
  return a.every((endpoint) => deepEqual(endpoint, byIdentity.get(identity(endpoint))))
}

function labelsOf(service: Service): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = service.metadata.labels ?? {}
  return {
    ...labels,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: managerName,
  }
}

function ownLabels(slice: EndpointSlice, wanted: Record<string, string>): Record<string, string | undefined> {
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, slice.metadata.labels?.[key]]))
}

function sliceOf(service: Service, group: Group, endpoints: Endpoint[], labels: Record<string, string>): NewObject<EndpointSlice> {
  return {
    metadata: {
      generateName: `${service.metadata.name}-`,
      ...(service.metadata.namespace ? { namespace: service.metadata.namespace } : {}),
      labels,
      ownerReferences: [controllerReference(service)],
    },
    addressType: group.family,
    endpoints,
    ports: [...group.ports],
  }
}

function reuse(plan: { create: NewObject<EndpointSlice>[]; update: EndpointSlice[]; remove: EndpointSlice[] }): SlicePlan {
  const { create, update, remove } = plan
  const made: NewObject<EndpointSlice>[] = []
  const spare = [...remove]
  for (const wanted of create) {
    const at = spare.findIndex((slice) => slice.addressType === wanted.addressType)
    const slice = at < 0 ? undefined : spare.splice(at, 1)[0]
    if (!slice) made.push(wanted)
    else {
      const metadata = { ...slice.metadata, labels: { ...slice.metadata.labels, ...wanted.metadata.labels } }
      update.push({ ...slice, metadata, endpoints: wanted.endpoints ?? [], ports: wanted.ports ?? [] })
    }
  }
  return { create: made, update, remove: spare }
}
