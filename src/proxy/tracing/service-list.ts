import type { TranslatedConnections } from '../../netfilter/conntrack/translated-connections.ts'
import { type EndpointChoice, reachableFromOutside } from '../choose-endpoints.ts'
import type { AddressFamily, ProxiedEndpoint, ProxiedPort, TrafficPolicy } from '../service-port.ts'
import { portsOf, type ServiceFacts } from './frontend-at.ts'

/** A Service port with its endpoints, and what goes on there now. */
export interface ListedPort {
  readonly name: string
  readonly type: string
  /** Cluster address, port and protocol; `None` of a headless Service; undefined: it has none. */
  readonly frontend: string | undefined
  /** Load balancers' addresses and external IPs; of an ExternalName the name. */
  readonly externalAddresses: readonly string[]
  readonly nodePort: number | undefined
  /** Undefined: nobody counts. */
  readonly connections: number | undefined
  readonly packets: number | undefined
  /** Connections that pods' sockets have begun, past the rules, since the Service has endpoints; undefined: sockets are not balanced. */
  readonly bySockets: number | undefined
  /** Whose connections drop here, for a policy is Local and no endpoint is on this node, though some are elsewhere. */
  readonly dropsHere: readonly ('inside' | 'outside')[]
  readonly endpoints: readonly ListedEndpoint[]
}

export interface ListedEndpoint {
  readonly address: string
  readonly node: string | undefined
  readonly state: 'ready' | 'ending, serves' | 'ending' | 'not ready'
  /** Whether this node sends new connections there. */
  readonly used: boolean
  readonly connections: number | undefined
  readonly packets: number | undefined
}

/** What sockets have begun, for each port; undefined: they are not balanced. */
export type CountBySockets = (ports: readonly ProxiedPort[]) => readonly (number | undefined)[] | undefined

export function listServices(
  facts: ServiceFacts,
  families: readonly AddressFamily[],
  translated: readonly TranslatedConnections[],
  bySockets: CountBySockets = () => undefined,
): ListedPort[] {
  const ports = families.flatMap((family) => [...portsOf(facts, family)])
  const types = new Map(facts.services.map(({ metadata, spec }) => [`${metadata.namespace}/${metadata.name}`, spec?.type]))
  const begun = bySockets(ports.map(({ port }) => port))
  return ports
    .map(({ port, choice }, i) => {
      const own = translated.filter(
        (each) =>
          each.protocol === port.protocol &&
          ((each.port === port.port && [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps].includes(each.address)) ||
            (each.port === port.nodePort && facts.isLocal(each.address))),
      )
      const used = new Set(choicesOf(port, choice).flatMap(({ chosen }) => chosen))
      const endpoints = port.endpoints.map((endpoint): ListedEndpoint => {
        const address = placeText(endpoint.address, endpoint.port)
        const its = own.filter((each) => each.endpoint === address)
        return {
          address,
          node: endpoint.nodeName,
          state: stateOf(endpoint),
          used: used.has(endpoint),
          connections: sum(its, ({ connections }) => connections),
          packets: total(its, ({ packets }) => packets),
        }
      })
      return {
        name: port.name,
        type: types.get(port.name.split(':')[0] as string) ?? 'ClusterIP',
        frontend: `${placeText(port.clusterIp, port.port)}/${port.protocol}`,
        externalAddresses: [...port.loadBalancerIps, ...port.externalIps],
        nodePort: port.nodePort,
        connections: sum(own, ({ connections }) => connections),
        packets: total(own, ({ packets }) => packets),
        bySockets: begun?.[i],
        dropsHere: choice.any ? choicesOf(port, choice).flatMap(({ whose, chosen }) => (chosen.length === 0 ? [whose] : [])) : [],
        endpoints,
      }
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.frontend < b.frontend ? -1 : 1))
}

/** What those inside the cluster get, who use the cluster address, and those outside, where there is a way for them. */
function choicesOf(
  port: ProxiedPort,
  choice: EndpointChoice,
): { whose: ListedPort['dropsHere'][number]; chosen: readonly ProxiedEndpoint[] }[] {
  const by = (policy: TrafficPolicy): readonly ProxiedEndpoint[] => (policy === 'Local' ? choice.local : choice.cluster)
  const inside = { whose: 'inside', chosen: by(port.internalPolicy) } as const
  return reachableFromOutside(port) ? [inside, { whose: 'outside', chosen: by(port.externalPolicy) }] : [inside]
}

const placeText = (address: string, port: number): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)

export function stateOf({
  ready,
  serving,
  terminating,
}: {
  ready: boolean
  serving: boolean
  terminating: boolean
}): ListedEndpoint['state'] {
  if (ready) return 'ready'
  return terminating ? (serving ? 'ending, serves' : 'ending') : 'not ready'
}

function sum<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((all, one) => all + of(one), 0)
}

/** Undefined as soon as one is not counted. */
function total<T>(list: readonly T[], of: (one: T) => number | undefined): number | undefined {
  return list.reduce<number | undefined>((all, one) => {
    const value = of(one)
    return all === undefined || value === undefined ? undefined : all + value
  }, 0)
}
