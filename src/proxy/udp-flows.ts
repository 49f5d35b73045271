import type { UdpFlows, UdpFrontend } from '../netfilter/conntrack.ts'
import type { AddressFamily, ProxiedPort } from './service-port.ts'

/** A place where clients send UDP to, and who may answer (`address:port`); nobody for one that is no more. */
export interface ServedFrontend extends UdpFrontend {
  readonly servers: ReadonlySet<string>
}

export const frontendKey = (frontend: UdpFrontend): string => `${frontend.address}:${frontend.port}`

/** Stands for every address on which node ports answer; which those are is looked up when it matters ({@link expanded}). */
const anyAddress = { IPv4: '0.0.0.0', IPv6: '::' } as const

/** The frontends of a Service port, if it is UDP, and who may go on answering there: every endpoint that serves. */
export function udpFrontends(port: ProxiedPort, family: AddressFamily): ServedFrontend[] {
  if (port.protocol !== 'udp') return []
  // A flow to an endpoint that would not be chosen today, but still serves, goes on: a roll-out must not cut it.
  const serving = port.endpoints.filter((endpoint) => endpoint.serving)
  const servers = new Set(serving.map((endpoint) => `${endpoint.address}:${endpoint.port}`))
  const addresses = [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps]
  const frontends = addresses.map((address) => ({ address, port: port.port, servers }))
  const { nodePort } = port
  if (nodePort !== undefined) frontends.push({ address: anyAddress[family], port: nodePort, servers })
  return frontends
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
 * Flows that would go on to an endpoint that serves no more, for UDP has no end and every packet renews the flow. A flow
 * that was never translated (it began before there were endpoints) is stale as soon as there are some; without any, it
 * may well be someone else's and does no harm.
 */
export function staleFlows(frontends: readonly ServedFrontend[], flows: readonly UdpFlows[]): UdpFlows[] {
  const served = new Map(frontends.map((frontend) => [frontendKey(frontend), frontend.servers]))
  return flows.filter((flow) => {
    const servers = served.get(frontendKey(flow))
    if (!servers || servers.has(`${flow.replyAddress}:${flow.replyPort}`)) return false
    const translated = flow.replyAddress !== flow.address || flow.replyPort !== flow.port
    return translated || servers.size > 0
  })
}
