import type { EndpointSlice, Service } from '../api/generated/types.ts'
import { endpointSlices, services } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { startInformer } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { Conntrack } from '../netfilter/conntrack/conntrack.ts'
import { isTcpLiberal } from '../netfilter/conntrack/tcp-liberal.ts'
import type { OpenNftables } from '../netfilter/nftables/open-nftables.ts'
import { openServiceRules, type ProxyMode, removeOtherMode } from './back-ends.ts'
import { FamilyServices, type ProxyFamily } from './family-services.ts'
import { FlowCleaner } from './flow-cleaner.ts'
import { healthAnswer, metricsAnswer, type ProxyHealth } from './health-server.ts'
import { keptService, keptSlice } from './kept-objects.ts'
import { type Answer, type ListenAddress, type Listener, listen, listenSometime } from './listen.ts'
import { ProxyMetrics } from './metrics.ts'
import { NodeWatch } from './node-watch.ts'
import { ProxyLoop } from './proxy-loop.ts'
import { ServiceChanges, serviceKeyOf, slicesByService } from './service-changes.ts'
import { ServiceHealth } from './service-health.ts'
import { ServiceRanges } from './service-ranges.ts'
import { ServiceTable } from './service-table.ts'
import { SocketBalancing, type SocketBalancingOptions } from './socket-balancing.ts'

export { type ProxyMode, removeProxyRules } from './back-ends.ts'
export type { ProxyFamily } from './family-services.ts'

export interface ProxyOptions {
  client: Client
  clock: Clock
  random: Random
  log: Log
  /** Runs iptables and sh: in the network namespace of the node. */
  exec: Exec
  /** Ends the proxy, but leaves its rules: a restart takes them over. */
  signal: AbortSignal
  nodeName: string
  mode: ProxyMode
  /** Opens the nftables of the node's network namespace. */
  openNftables: OpenNftables
  /** The connection tracking of the node's network namespace. */
  conntrack: Conntrack
  families: readonly ProxyFamily[]
  /** '' for the known chain names (KUBE-SERVICES), up to three letters or digits to keep clusters on one host apart. */
  chainTag: string
  /** /healthz and /livez; Kubernetes' own is 0.0.0.0:10256. */
  healthAddress?: ListenAddress | undefined
  /** /metrics and /proxyMode; Kubernetes' own is 127.0.0.1:10249. */
  metricsAddress?: ListenAddress | undefined
  /** False: an address that cannot be had is tried again and again, while Services are served. Default true: it is an error. */
  mustListen?: boolean
  masqueradeAll?: boolean
  /** Default 14: the mark 0x4000. */
  masqueradeBit?: number
  /** Default true; IPv4 only. */
  localhostNodePorts?: boolean
  /** Pods' sockets are balanced too, where the machine can do it; the rules serve all else. */
  socketBalancing?: SocketBalancingOptions | undefined
  /** How often to look whether someone else changed our rules; default 10 s (less often where looking takes long). */
  checkIntervalMs?: number
  /** At least this long from one change of the rules to the next; default 0, as a change costs little. */
  minSyncIntervalMs?: number
  /** Which of the two kinds of iptables, in that mode; without it the machine's default. */
  variant?: 'nft' | 'legacy'
  /** Called once the first rules of many Services are in the kernel: lists, and what was made of them, are garbage then. */
  giveBackMemory?: () => void
}

export interface Proxy {
  /** Resolves after the signal, once nothing of the proxy runs any more. Never rejects. */
  readonly stopped: Promise<void>
  readonly health: () => ProxyHealth
}

/** With fewer Services, a first load leaves less behind than looking for it is worth. */
const manyServices = 1_000
/** The Node and the ranges of Services are worth this wait before the first rules are written without them. */
const firstWaitMs = 5_000

/** Resolves once the first rules are in the kernel; rejects if they can't be, with the reason that the kernel or iptables gave. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { clock, signal, nodeName } = options
  const log = options.log.named('proxy')
  const metrics = new ProxyMetrics()
  const sources = startSources(options)
  let wake = (): void => undefined
  let lookSoon = (): void => undefined
  const changes = new ServiceChanges(() => wake())
  const node = new NodeWatch(sourceDeps(options), nodeName, () => changes.markEverything())
  const ranges = new ServiceRanges(options.families.flatMap(({ serviceCidr }) => serviceCidr ?? []))
  const told = Promise.all([node.synced(), ranges.follow(sourceDeps(options), () => changes.markEverything())])
  await firstOf(told, clock, signal)
  const sockets = options.socketBalancing && SocketBalancing.open(options.socketBalancing, log)
  const families = await openFamilies({ node, ranges, options, log, sockets, onChangedByOthers: () => lookSoon() })
  const serviceHealth = new ServiceHealth({
    hosts: async () => (await Promise.all(families.map((family) => family.listenHosts()))).flat(),
    proxyHealthy: () => loop.health().healthy,
    log,
  })
  const flowCleaner = new FlowCleaner({
    ...{ clock, log, metrics, conntrack: options.conntrack },
    addressesOf: async (family) => (await families.find(({ rules }) => rules.family === family)?.nodePortAddresses()) ?? [],
    frontend: (key) => families.map(({ table }) => table.frontend(key)).find((each) => each !== undefined),
    serviceCidrs: () => ranges.all(),
  })
  const loop: ProxyLoop = new ProxyLoop({
    ...sources,
    ...{ clock, log, metrics, families, serviceHealth, nodeName },
    nodeEligible: () => node.facts.eligible,
    flowCleaner,
    checkIntervalMs: options.checkIntervalMs ?? 10_000,
    minSyncIntervalMs: options.minSyncIntervalMs ?? 0,
  })
  wake = () => loop.wake()
  lookSoon = () => loop.lookSoon()
  const unfollow = changes.follow(sources.services, sources.slices)
  const listeners: Listener[] = []
  const end = async (): Promise<void> => {
    unfollow()
    for (const { rules } of families) rules.close()
    sockets?.close()
    await Promise.all([serviceHealth.close(), ...listeners.map((listener) => listener.close())])
  }
  try {
    await Promise.all([sources.services.synced(), sources.slices.synced()])
    signal.throwIfAborted()
    await loop.syncOnce(changes)
    await removeLeftovers(options, log)
    listeners.push(...(await listenAll(options, log, { loop, changes, metrics, families })))
  } catch (error) {
    await end()
    throw error
  }
  const count = Math.max(0, ...families.map(({ table }) => table.size))
  if (count >= manyServices) options.giveBackMemory?.()
  log.info('Services are served', { node: nodeName, mode: options.mode, services: count })
  const running = Promise.all([loop.run(changes, signal), flowCleaner.run(signal)])
  return { stopped: running.finally(end).then(() => undefined), health: () => loop.health() }
}

/** Until it is there, the time is over, or the signal comes. */
async function firstOf(synced: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<void> {
  const enough = new AbortController()
  const limit = clock.sleep(firstWaitMs, AbortSignal.any([signal, enough.signal])).catch(() => undefined) // either signal is an end of waiting
  await Promise.race([synced.catch(() => undefined), limit]) // it fails only with the signal, which is looked at below
  enough.abort()
  signal.throwIfAborted()
}

async function listenAll(
  options: ProxyOptions,
  log: Log,
  parts: { loop: ProxyLoop; changes: ServiceChanges; metrics: ProxyMetrics; families: readonly FamilyServices[] },
): Promise<Listener[]> {
  const { loop, changes, metrics, families } = parts
  const { clock, healthAddress, metricsAddress } = options
  const open = (address: ListenAddress, answer: Answer): Promise<Listener> =>
    options.mustListen === false ? listenSometime(address, answer, { clock, log }) : listen(address, answer)
  const opened: Listener[] = []
  const health = healthAnswer(
    () => loop.health(),
    (path, code) => metrics.countProbe(path, code),
  )
  const text = metricsAnswer(options.mode, () => {
    const counts = families.map((family) => family.counts())
    return metrics.text(options.mode, changes.counts(), counts)
  })
  if (healthAddress) opened.push(await open(healthAddress, health))
  if (metricsAddress) opened.push(await open(metricsAddress, text))
  return opened
}

async function removeLeftovers({ mode, chainTag, exec, openNftables, variant }: ProxyOptions, log: Log): Promise<void> {
  try {
    await removeOtherMode(mode, chainTag, { exec, openNftables, variant, log })
  } catch (error) {
    // Ours are in place and come first; the others do the same until the next start.
    log.warn('cannot remove what a former run in another mode may have left', { error })
  }
}

interface FamilyContext {
  readonly node: NodeWatch
  readonly ranges: ServiceRanges
  readonly options: ProxyOptions
  readonly log: Log
  readonly sockets: SocketBalancing | undefined
  onChangedByOthers(): void
}

async function openFamilies(context: FamilyContext): Promise<readonly FamilyServices[]> {
  try {
    // Hardly any packet is INVALID then, and a rule that every packet meets would find none: as upstream.
    const isLiberal = await isTcpLiberal(context.options.exec)
    if (isLiberal) context.log.info('nf_conntrack_tcp_be_liberal is set: no rule drops INVALID packets')
    return await Promise.all(context.options.families.map((family) => openFamily(family, !isLiberal, context)))
  } catch (error) {
    context.sockets?.close()
    throw error
  }
}

function openFamily(family: ProxyFamily, dropsInvalid: boolean, context: FamilyContext): Promise<FamilyServices> {
  const { node, ranges, options, log, sockets, onChangedByOthers } = context
  return FamilyServices.open({
    family,
    exec: options.exec,
    node: () => node.facts,
    serviceCidrs: () => ranges.all(family.family),
    table: new ServiceTable({ node: () => ({ name: options.nodeName, zone: node.facts.zone }), family: family.family }),
    open: async (changing) => {
      const settings = {
        ...changing,
        family: family.family,
        node: options.nodeName,
        masqueradeAll: options.masqueradeAll ?? false,
        masqueradeBit: options.masqueradeBit ?? 14,
        localhostNodePorts: options.localhostNodePorts ?? true,
        dropsInvalid,
        tag: options.chainTag,
      }
      const { exec, openNftables, variant } = options
      const rules = await openServiceRules(options.mode, settings, { exec, openNftables, log, variant, onChangedByOthers })
      return sockets ? sockets.beside(rules, changing.nodePortAddresses) : rules
    },
  })
}

const sourceDeps = ({ client, clock, random, log, signal }: ProxyOptions) => ({ client, clock, random, log, signal })

function startSources(options: ProxyOptions) {
  const deps = sourceDeps(options)
  return {
    services: startInformer<Service>({ ...deps, resource: services, trim: keptService }),
    slices: startInformer<EndpointSlice>({
      ...deps,
      resource: endpointSlices,
      trim: keptSlice,
      indexes: {
        [slicesByService]: (slice) => {
          const key = serviceKeyOf(slice)
          return key === undefined ? [] : [key]
        },
      },
    }),
  }
}
