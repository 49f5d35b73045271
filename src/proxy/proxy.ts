import type { Server } from 'node:http'
import type { EndpointSlice, Service } from '../api/generated/types.ts'
import { endpointSlices, services } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { startInformer } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import { conntrack } from '../netfilter/conntrack.ts'
import { localAddresses } from '../netfilter/local-addresses.ts'
import { type ProxyHealth, serveHealth, serveMetrics } from './health-server.ts'
import { openIptablesRules } from './iptables/iptables-rules.ts'
import { ProxyMetrics } from './metrics.ts'
import { type FamilyServices, ProxyLoop } from './proxy-loop.ts'
import { ServiceChanges, serviceKeyOf, slicesByService } from './service-changes.ts'
import type { AddressFamily } from './service-port.ts'
import type { PodTraffic } from './service-rules.ts'
import { ServiceTable } from './service-table.ts'

export { removeProxyRules } from './remove-rules.ts'

/** How the rules of Services are programmed. */
export type ProxyMode = 'iptables'

/** The addresses of one family that a cluster and this node of it have. */
export interface ProxyFamily {
  family: AddressFamily
  /** On which node ports answer, as addresses or ranges. Empty: every address of the node. */
  nodePortAddresses: readonly string[]
  /** How pods' own traffic is known: usually by the addresses of all pods of the cluster, such as 10.244.0.0/16. */
  podTraffic?: PodTraffic | undefined
  /** All cluster addresses, such as 10.96.0.0/16: ones that no Service has are refused instead of leaking out. */
  serviceCidr?: string | undefined
}

export interface ProxyOptions {
  client: Client
  clock: Clock
  random: Random
  log: Log
  /** Runs iptables, conntrack and sh: in the network namespace of the node. */
  exec: Exec
  /** Ends the proxy, but leaves its rules: a restart takes them over. */
  signal: AbortSignal
  nodeName: string
  /** topology.kubernetes.io/zone of the node. */
  nodeZone?: string
  mode: ProxyMode
  families: readonly ProxyFamily[]
  /** '' for the known chain names (KUBE-SERVICES), up to three letters or digits to keep clusters on one host apart. */
  chainTag: string
  /** /healthz and /livez; 0: off. Kubernetes' own is 10256. */
  healthPort: number
  /** /metrics on 127.0.0.1; 0: off. Kubernetes' own is 10249. */
  metricsPort: number
  masqueradeAll?: boolean
  /** Default 14: the mark 0x4000. */
  masqueradeBit?: number
  /** Default true; iptables and IPv4 only. */
  localhostNodePorts?: boolean
  /** How often to look whether someone else changed our rules; default 10 s (less often where looking takes long). */
  checkIntervalMs?: number
  /** Which of the two kinds of iptables, in that mode; without it the machine's default. */
  variant?: 'nft' | 'legacy'
}

export interface Proxy {
  /** Resolves after the signal, once nothing of the proxy runs any more. Never rejects. */
  readonly stopped: Promise<void>
  readonly health: () => ProxyHealth
}

/** Resolves once the first rules are in the kernel; rejects if they can't be, with the reason that the kernel or iptables gave. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { clock, exec, signal } = options
  const log = options.log.named('proxy')
  const metrics = new ProxyMetrics()
  const families = await Promise.all(options.families.map((family) => openFamily(family, options, log)))
  const sources = startSources(options)
  const loop = new ProxyLoop({
    ...sources,
    clock,
    log,
    metrics,
    families,
    flows: conntrack(exec),
    checkIntervalMs: options.checkIntervalMs ?? 10_000,
  })
  const changes = new ServiceChanges(() => loop.wake())
  const unfollow = changes.follow(sources.services, sources.slices)
  const servers: Server[] = []
  try {
    await Promise.all([sources.services.synced(), sources.slices.synced()])
    signal.throwIfAborted()
    await loop.syncOnce(changes)
    if (options.healthPort !== 0) servers.push(await serveHealth(options.healthPort, () => loop.health()))
    if (options.metricsPort !== 0) servers.push(await serveMetrics(options.metricsPort, () => metrics.text(countsOf(families))))
  } catch (error) {
    unfollow()
    closeRules(families)
    await closeAll(servers)
    throw error
  }
  log.info('Services are served', { node: options.nodeName, services: families[0]?.table.size ?? 0 })
  const stopped = loop.run(changes, signal).finally(async () => {
    unfollow()
    closeRules(families)
    await closeAll(servers)
  })
  return { stopped, health: () => loop.health() }
}

async function openFamily(family: ProxyFamily, options: ProxyOptions, log: Log): Promise<FamilyServices> {
  const settings = {
    family: family.family,
    podTraffic: family.podTraffic,
    masqueradeAll: options.masqueradeAll ?? false,
    masqueradeBit: options.masqueradeBit ?? 14,
    nodePortAddresses: family.nodePortAddresses,
    localhostNodePorts: options.localhostNodePorts ?? true,
    serviceCidr: family.serviceCidr,
    tag: options.chainTag,
  }
  const rules = await openIptablesRules({
    ...settings,
    exec: options.exec,
    log,
    ...(options.variant ? { variant: options.variant } : {}),
  })
  const table = new ServiceTable({
    node: { name: options.nodeName, zone: options.nodeZone },
    family: family.family,
  })
  const { nodePortAddresses } = family
  return { rules, table, nodePortAddresses: () => localAddresses(options.exec, family.family, nodePortAddresses) }
}

function closeRules(families: readonly FamilyServices[]): void {
  for (const { rules } of families) rules.close()
}

/** Of all families together. */
function countsOf(families: readonly FamilyServices[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>()
  for (const { rules } of families) for (const [table, count] of rules.counts()) sum.set(table, (sum.get(table) ?? 0) + count)
  return sum
}

function startSources(options: ProxyOptions) {
  const deps = { client: options.client, clock: options.clock, random: options.random, log: options.log, signal: options.signal }
  return {
    services: startInformer<Service>({ ...deps, resource: services }),
    slices: startInformer<EndpointSlice>({
      ...deps,
      resource: endpointSlices,
      indexes: {
        [slicesByService]: (slice) => {
          const key = serviceKeyOf(slice)
          return key === undefined ? [] : [key]
        },
      },
    }),
  }
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map((server) => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    }),
  )
}
