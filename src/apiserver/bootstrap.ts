import type { ConfigMap } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { apiServices, configMaps, endpointSlices, endpoints, namespaces, priorityClasses, serviceCidrs, services } from '../api/registry.ts'
import type { KubeObject, NewObject } from '../machinery/object.ts'
import { isAlreadyExists } from '../machinery/status.ts'
import { defaultRoleObjects } from './access/ensure-roles.ts'
import { byServer } from './by-server.ts'
import type { GroupVersion } from './discovery.ts'
import { priorityOf } from './group-priorities.ts'
import type { ReachedAt } from './server-addresses.ts'
import type { DefaultServiceCidr } from './services/default-service-cidr.ts'
import { defaultServiceCidr } from './services/service-ranges.ts'
import type { WatchCache } from './watch-cache.ts'
import type { Writes } from './writes.ts'

const systemNamespaces = ['default', 'kube-node-lease', 'kube-public', 'kube-system']

/** https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/ */
const systemPriorityClasses = [
  {
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    description: 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
  {
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
]

interface Deps {
  readonly writes: Writes
  readonly cache: WatchCache
  readonly serviceCidr: DefaultServiceCidr
}

interface Address {
  /** What the server serves by itself. */
  readonly groupVersions: readonly GroupVersion[]
  /** The `kubernetes` Service's. */
  readonly serviceAddress: string
  /** Undefined: the `kubernetes` Service gets no endpoints. */
  readonly advertise: ReachedAt | undefined
  /** PEM: who signs client certificates; undefined: nobody is told. */
  readonly clientCa: string | undefined
}

/** What every cluster begins with. Objects that are there already stay as they are. */
export async function bootstrap({ writes, cache, serviceCidr }: Deps, at: Address): Promise<void> {
  const ensure = async (kind: Kind, namespace: string | undefined, object: NewObject<KubeObject>): Promise<void> => {
    if (cache.kind(kind).get(namespace, object.metadata.name as string)) return
    try {
      await writes.create(kind, namespace, object as KubeObject, byServer)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }
  await Promise.all([
    serviceCidr.ensure(),
    ...systemNamespaces.map((name) => ensure(anyKind(namespaces), undefined, { metadata: { name } })),
  ])
  await cache.fresh()
  await Promise.all([
    ensureRoles({ writes, cache }, ensure),
    ...systemPriorityClasses.map((object) => ensure(anyKind(priorityClasses), undefined, object as unknown as NewObject<KubeObject>)),
    ...at.groupVersions.map((one) => ensure(anyKind(apiServices), undefined, localApiService(one))),
  ])
  if (at.clientCa !== undefined) await ensureClientCa({ writes, cache }, ensure, at.clientCa)
  await ensure(anyKind(services), 'default', kubernetesService(at))
  if (!at.advertise) return
  const made = [
    [anyKind(endpoints), kubernetesEndpoints(at.advertise)],
    [anyKind(endpointSlices), kubernetesSlice(at.advertise)],
  ] as const
  for (const [kind, object] of made) {
    await ensure(kind, 'default', object)
    // Addresses may be others than at the last start.
    const { metadata: _, ...fields } = object
    const place = { kind, namespace: 'default', name: 'kubernetes' }
    await writes.update(place, { ...byServer, subresource: undefined }, (current) => Object.assign(current.copy(), fields))
  }
}

/** By what API servers beside this one know whom they talk to. Others keep more in it. */
async function ensureClientCa({ writes, cache }: Pick<Deps, 'writes' | 'cache'>, ensure: Ensure, clientCa: string): Promise<void> {
  const place = { kind: anyKind(configMaps), namespace: 'kube-system', name: 'extension-apiserver-authentication' }
  const told = { 'client-ca-file': clientCa }
  await ensure(place.kind, place.namespace, { metadata: { name: place.name }, data: told } as NewObject<KubeObject>)
  const stored = cache.kind(configMaps).get(place.namespace, place.name)?.object as ConfigMap | undefined
  if (!stored || stored.data?.['client-ca-file'] === clientCa) return
  await writes.update(place, { ...byServer, subresource: undefined }, (current) => {
    const copy = current.copy() as KubeObject & ConfigMap
    return Object.assign(copy, { data: { ...copy.data, ...told } })
  })
}

type Ensure = (kind: Kind, namespace: string | undefined, object: NewObject<KubeObject>) => Promise<void>

async function ensureRoles({ writes, cache }: Pick<Deps, 'writes' | 'cache'>, ensure: Ensure): Promise<void> {
  await Promise.all(
    defaultRoleObjects().map(async ({ kind, namespace, object, mended }) => {
      const name = object.metadata.name as string
      const stored = cache.kind(kind).get(namespace, name)
      if (!stored) return ensure(kind, namespace, object)
      if (!mended(stored.copy())) return
      const place = { kind, namespace, name }
      await writes.update(place, { ...byServer, subresource: undefined }, (current) => mended(current.copy()) ?? current.copy())
    }),
  )
}

/** Has `restore` called when someone deletes an object by which pods find this server, or where addresses come from. */
export function watchOver(cache: WatchCache, restore: () => void): void {
  for (const kind of [services, endpoints, endpointSlices]) {
    cache.kind(kind).onChange(({ item, previous }) => {
      if (!item && previous?.namespace === 'default' && previous.name === 'kubernetes') restore()
    })
  }
  cache.kind(serviceCidrs).onChange(({ item, previous }) => {
    if (!item && previous?.name === defaultServiceCidr) restore()
  })
}

const anyKind = (kind: unknown): Kind => kind as Kind

const labels = { component: 'apiserver', provider: 'kubernetes' }

function kubernetesService({ serviceAddress: clusterIP, advertise }: Address): NewObject<KubeObject> {
  const ports = [{ name: 'https', port: 443, protocol: 'TCP', targetPort: advertise?.port ?? 6443 }]
  return {
    metadata: { name: 'kubernetes', labels },
    spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports },
  } as NewObject<KubeObject>
}

/** Says that a version of a group is served here. Of the group that holds these objects there is none, as upstream. */
function localApiService({ group, version }: GroupVersion): NewObject<KubeObject> {
  const priority = priorityOf({ group, version })
  return {
    metadata: { name: `${version}.${group}`, labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
    spec: { ...(group ? { group } : {}), version, groupPriorityMinimum: priority.group, versionPriority: priority.version },
  } as NewObject<KubeObject>
}

function kubernetesEndpoints({ addresses, port }: ReachedAt): NewObject<KubeObject> {
  return {
    metadata: { name: 'kubernetes', labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  } as NewObject<KubeObject>
}

function kubernetesSlice({ addresses, port }: ReachedAt): NewObject<KubeObject> {
  return {
    metadata: { name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: addresses[0]?.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  } as NewObject<KubeObject>
}
