import type { Destination, Flow } from '../netfilter/conntrack/conntrack.ts'
import type { AddressFamily, ProxiedEndpoint, ProxiedPort } from './service-port.ts'

/**
 * Protocols whose flows must be forgotten. Every packet of UDP renews its flow; associations of SCTP come back from the same port, and meet
 * what is remembered of the one before. TCP heals itself: each connection has a port of its own, and a reset ends it.
 */
export const watchedProtocols = ['udp', 'sctp'] as const
type WatchedProtocol = (typeof watchedProtocols)[number]

/** A place where clients send such packets to, and who may answer (`address:port`); nobody for one that is no more. */
export interface ServedFrontend extends Destination {
  readonly protocol: WatchedProtocol
  readonly servers: ReadonlySet<string>
}

export const frontendKey = ({ protocol, address, port }: Pick<Flow, 'protocol' | 'address' | 'port'>): string =>
  `${protocol} ${address}:${port}`

/** Stands for every address on which node ports answer; which those are is looked up when it matters ({@link expanded}). */
const anyAddress = { IPv4: '0.0.0.0', IPv6: '::' } as const

/** The frontends of a Service port whose flows are watched, and who may go on answering there. */
export function servedFrontends(port: ProxiedPort, family: AddressFamily): ServedFrontend[] {
  const { protocol } = port
  if (protocol === 'tcp') return []
  const servers = new Set(port.endpoints.filter(mayGoOn[protocol]).map((endpoint) => `${endpoint.address}:${endpoint.port}`))
  const addresses = [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps]
  const frontends = addresses.map((address) => ({ protocol, address, port: port.port, servers }))
  const { nodePort } = port
  if (nodePort !== undefined) frontends.push({ protocol, address: anyAddress[family], port: nodePort, servers })
  return frontends
}

const mayGoOn: Readonly<Record<WatchedProtocol, (endpoint: ProxiedEndpoint) => boolean>> = {
  // A flow to an endpoint that would not be chosen today, but still serves, goes on: a roll-out must not cut it.
  udp: ({ serving }) => serving,
  // An association lives, as a connection does, for as long as the pod is there.
  sctp: () => true,
}

/** Node ports' frontends at the addresses that the node has now, instead of at any; others as they are. */
export async function expanded(
  frontends: readonly ServedFrontend[],
  addressesOf: (family: AddressFamily) => Promise<readonly string[]>,
): Promise<ServedFrontend[]> {
  const found: ServedFrontend[] = []
  for (const family of ['IPv4', 'IPv6'] as const) {
    const open = frontends.filter(({ address }) => address === anyAddress[family])
    const addresses = open.length === 0 ? [] : await addressesOf(family)
    found.push(...open.flatMap((frontend) => addresses.map((address) => ({ ...frontend, address }))))
  }
  const fixed = frontends.filter(({ address }) => address !== anyAddress.IPv4 && address !== anyAddress.IPv6)
  return [...found, ...fixed]
}

/** Frontends whose flows may have gone stale: with servers taken away, gone themselves, or served for the first time. */
export function frontendsToCheck(before: readonly ServedFrontend[], after: readonly ServedFrontend[]): ServedFrontend[] {
  const now = new Map(after.map((frontend) => [frontendKey(frontend), frontend]))
  const then = new Map(before.map((frontend) => [frontendKey(frontend), frontend]))
  const gone = before.filter((frontend) => !now.has(frontendKey(frontend))).map((frontend) => ({ ...frontend, servers: new Set<string>() }))
  const changed = after.filter((frontend) => {
    const servers = then.get(frontendKey(frontend))?.servers
    if (!servers || servers.size === 0) return frontend.servers.size > 0
    return [...servers].some((server) => !frontend.servers.has(server))
  })
  return [...changed, ...gone]
}

/**
 * Whether a flow would go on to an endpoint that serves no more. One that was never translated (it began before there were endpoints) is
 * stale as soon as there are some; without any, it may well be someone else's and does no harm.
 */
export function staleAmong(frontends: readonly ServedFrontend[]): (flow: Flow) => boolean {
  const served = new Map(frontends.map((frontend) => [frontendKey(frontend), frontend.servers]))
  return (flow) => {
    const servers = served.get(frontendKey(flow))
    if (!servers || servers.has(`${flow.replyAddress}:${flow.replyPort}`)) return false
    return isTranslated(flow) || servers.size > 0
  }
}

export const isTranslated = (flow: Flow): boolean => flow.replyAddress !== flow.address || flow.replyPort !== flow.port
