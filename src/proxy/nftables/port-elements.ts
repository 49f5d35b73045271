import type { Bytes } from '../../netfilter/netlink/message.ts'
import { reachableFromOutside } from '../choose-endpoints.ts'
import type { AddressFamily, ProxiedEndpoint, ProxiedPort } from '../service-port.ts'
import type { PortWithChoice } from '../service-rules.ts'
import { addressBytes, portBytes, protocolBytes, rangeBytes } from './address-bytes.ts'
import { destination, drop, numberBytes, refuse } from './destination.ts'
import type { EndpointGroup } from './endpoint-group.ts'
import * as sets from './set-names.ts'

/** Which of its endpoints a frontend sends to: the choice for the Cluster or for the Local policy. */
export type GroupKind = 'cluster' | 'local'

/** A place where clients send to: the map that it is looked up in, and its key there. */
export interface Frontend {
  readonly set: string
  readonly key: Bytes
  /** Undefined: the map has nothing for it, and must have nothing of anyone else's. */
  readonly kind: GroupKind | undefined
}

export interface MapElement {
  readonly set: string
  readonly key: Bytes
  readonly data: Bytes | undefined
}

export interface GroupElement extends MapElement {
  readonly data: Bytes
}

export interface SetElement {
  readonly set: string
  readonly key: Bytes
}

/** All that one Service port adds, but for its groups' own ({@link groupElements}). */
export interface PortElements {
  readonly ofMaps: readonly MapElement[]
  readonly ofSets: readonly SetElement[]
}

/** A group with the code of the chooser that it needs. */
export interface ChosenGroup {
  readonly group: EndpointGroup
  readonly code: number
}

export type PortGroups = Readonly<Partial<Record<GroupKind, ChosenGroup>>>

export function frontendsOf(family: AddressFamily, port: ProxiedPort): Frontend[] {
  const key = (address: string): Bytes => addressBytes(family, address) + protocolBytes(port.protocol) + portBytes(port.port)
  const frontends: Frontend[] = [
    { set: sets.internal, key: key(port.clusterIp), kind: port.internalPolicy === 'Local' ? 'local' : 'cluster' },
  ]
  if (!reachableFromOutside(port)) return frontends
  // What comes from here, pods or the host itself, need not suffer for a Local policy.
  const isLocal = port.externalPolicy === 'Local'
  const add = (set: string, near: string, itsKey: Bytes): void => {
    frontends.push({ set, key: itsKey, kind: isLocal ? 'local' : 'cluster' })
    frontends.push({ set: near, key: itsKey, kind: isLocal ? 'cluster' : undefined })
  }
  for (const address of externalAddresses(port)) add(sets.external, sets.externalNear, key(address))
  if (port.nodePort !== undefined) add(sets.nodePorts, sets.nodePortsNear, protocolBytes(port.protocol) + portBytes(port.nodePort))
  return frontends
}

const externalAddresses = (port: ProxiedPort): ReadonlySet<string> => new Set([...port.externalIps, ...port.loadBalancerIps])

export const targetOf = (family: AddressFamily, endpoint: ProxiedEndpoint): Bytes =>
  addressBytes(family, endpoint.address) + portBytes(endpoint.port)

/** `node`: our own name; only a pod that is here can reach itself through us. */
export function portElements(family: AddressFamily, node: string, { port, choice }: PortWithChoice, groups: PortGroups): PortElements {
  // Nobody anywhere: refuse. Somebody, but not for this policy here: drop, as another node may answer.
  const without = choice.any ? drop : refuse
  const ofMaps = frontendsOf(family, port).map(({ set, key, kind }): MapElement => {
    if (!kind) return { set, key, data: undefined }
    const chosen = groups[kind]
    return { set, key, data: numberBytes(chosen ? destination(chosen.group.id, chosen.code) : without) }
  })
  const ofSets: SetElement[] = [{ set: sets.clusterIps, key: addressBytes(family, port.clusterIp) }, ...guards(family, port)]
  for (const address of externalAddresses(port)) ofSets.push({ set: sets.externalIps, key: addressBytes(family, address) })
  const here = [...choice.cluster, ...choice.local].filter(({ nodeName }) => nodeName === undefined || nodeName === node)
  for (const address of new Set(here.map((endpoint) => endpoint.address))) {
    const bytes = addressBytes(family, address)
    ofSets.push({ set: sets.hairpin, key: bytes + bytes })
  }
  return { ofMaps, ofSets }
}

/** A group's endpoints. Nobody else has elements of these keys, as the group's number is in each. */
export function groupElements({ id, slots }: EndpointGroup): GroupElement[] {
  const group = numberBytes(destination(id, 0))
  return slots.flatMap(({ target, number }, i): GroupElement[] => {
    const slot = group + numberBytes(i)
    if (number === 0) return [{ set: sets.endpoints, key: slot, data: target }]
    const endpoint = numberBytes(destination(id, number))
    return [
      { set: sets.stickySlots, key: slot, data: endpoint },
      { set: sets.stickyEndpoints, key: endpoint, data: target },
    ]
  })
}

/** Source ranges guard the balancer's addresses only. */
function guards(family: AddressFamily, port: ProxiedPort): SetElement[] {
  const ranges = port.sourceRanges.map((range) => rangeBytes(family, range))
  if (ranges.length === 0 || ranges.some(({ bits }) => bits === 0)) return []
  return [...new Set(port.loadBalancerIps)].flatMap((address) => {
    const frontend = addressBytes(family, address) + protocolBytes(port.protocol) + portBytes(port.port)
    const allowed = ranges.map(({ first, bits }) => ({ set: sets.sourceRanges(bits), key: frontend + first }))
    return [{ set: sets.guarded, key: frontend }, ...allowed]
  })
}
