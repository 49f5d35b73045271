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
import { iptables } from '../netfilter/iptables.ts'
import { chainNames } from './chain-names.ts'
import { type ProxyHealth, serveHealth, serveMetrics } from './health-server.ts'
import { ProxyMetrics } from './metrics.ts'
import { ProxyLoop } from './proxy-loop.ts'
import { localnetBefore, openLocalnet } from './route-localnet.ts'
import { RuleSync } from './rule-sync.ts'
import { ServiceChanges, serviceKeyOf, slicesByService } from './service-changes.ts'
import { ServiceTable } from './service-table.ts'

export { removeProxyRules } from './remove-rules.ts'

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
  /** IPv4 addresses on which node ports answer, beside 127.0.0.1. Empty: every address of the node. */
  nodeAddresses: readonly string[]
  /** All pods of the cluster, such as 10.244.0.0/16. */
  podCidr: string
  /** All cluster addresses, such as 10.96.0.0/16: ones that no Service has are refused instead of leaking out. */
  serviceCidr?: string
  /** '' for the known chain names (KUBE-SERVICES), up to three letters or digits to keep clusters on one host apart. */
  chainTag: string
  /** /healthz and /livez; 0: off. Kubernetes' own is 10256. */
  healthPort: number
  /** /metrics on 127.0.0.1; 0: off. Kubernetes' own is 10249. */
  metricsPort: number
  /** How often to look whether someone else changed our rules; default 10 s (less often where looking takes long). */
  checkIntervalMs?: number
  variant?: 'nft' | 'legacy'
}

export interface Proxy {
  /** Resolves after the signal, once nothing of the proxy runs any more. Never rejects. */
  readonly stopped: Promise<void>
  readonly health: () => ProxyHealth
}

/** Resolves once the first rules are in the kernel; rejects if they can't be, with the reason that iptables gave. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { clock, exec, signal } = options
  const log = options.log.named('proxy')
  const chains = chainNames(options.chainTag)
  const metrics = new ProxyMetrics()
  const rules = new RuleSync({ iptables: iptables(options), chains, log })
  const routeLocalnetWas = await localnetBefore(exec, await rules.read(), chains)
  const table = new ServiceTable(
    { name: options.nodeName, zone: options.nodeZone },
    { chains, podCidr: options.podCidr, nodePortAddresses: options.nodeAddresses, serviceCidr: options.serviceCidr, routeLocalnetWas },
  )
  const sources = startSources(options)
  const loop = new ProxyLoop({
    ...sources,
    clock,
    log,
    metrics,
    rules,
    table,
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
    await openLocalnet(exec) // not before its guard is in the kernel
    if (options.healthPort !== 0) servers.push(await serveHealth(options.healthPort, () => loop.health()))
    if (options.metricsPort !== 0) servers.push(await serveMetrics(options.metricsPort, () => metrics.text()))
  } catch (error) {
    unfollow()
    await closeAll(servers)
    throw error
  }
  log.info('Services are served', { node: options.nodeName, services: table.size })
  const stopped = loop.run(changes, signal).finally(async () => {
    unfollow()
    await closeAll(servers)
  })
  return { stopped, health: () => loop.health() }
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
