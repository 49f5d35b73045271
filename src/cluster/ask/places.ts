import { isIP } from 'node:net'
import type { Node, Pod, Service } from '../../api/generated/types.ts'
import type { TransportProtocol } from '../../netfilter/rules.ts'

/** Who sends. */
export interface AskedClient {
  /** `pod default/web`, `this node`, `outside`. */
  readonly text: string
  readonly from: 'host' | 'network'
  readonly address: string
  /** In a network of its own. */
  readonly isPod: boolean
}

/** Where to. */
export interface AskedTarget {
  readonly text: string
  readonly address: string
  readonly port: number
  readonly protocol: TransportProtocol
}

interface World {
  readonly pods: readonly Pod[]
  readonly services: readonly Service[]
  readonly node: Node
}

/** What can't be asked about, and what could. */
export class NoSuchPlaceError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NoSuchPlaceError'
  }
}

/** An address kept for documentation (RFC 5737, RFC 3849): nobody's, so it stands for everybody outside. */
const somebody = { 4: '203.0.113.1', 6: '2001:db8::1' } as const

/**
 * `default/web` or `web` (a pod of this node), `node`, `outside`, `outside:198.51.100.7`. The family is the target's. Throws
 * {@link NoSuchPlaceError}.
 */
export function clientNamed(text: string, target: AskedTarget, { pods, node }: World): AskedClient {
  const six = target.address.includes(':')
  const family = six ? 'IPv6' : 'IPv4'
  if (text === 'node') {
    const address = addressOf(node, six)
    if (!address) throw new NoSuchPlaceError(`this node has no ${family} address`)
    return { text: `this node (${node.metadata.name})`, from: 'host', address, isPod: false }
  }
  if (text === 'outside' || text.startsWith('outside:')) {
    const address = text.slice('outside:'.length) || somebody[six ? 6 : 4]
    if (!isIP(address) || address.includes(':') !== six) throw new NoSuchPlaceError(`${address} is no ${family} address, as the target has`)
    return { text: 'outside', from: 'network', address, isPod: false }
  }
  const [namespace, name] = named(text.replace(/^pod\//, ''))
  const pod = pods.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  if (!pod)
    throw new NoSuchPlaceError(`there is no pod ${namespace}/${name}; a client is a pod (namespace/name), node, outside or outside:ADDRESS`)
  if (pod.spec.nodeName !== node.metadata.name) {
    throw new NoSuchPlaceError(
      `pod ${namespace}/${name} runs on ${pod.spec.nodeName ?? 'no node yet'}: its packets meet the rules there, so ask there`,
    )
  }
  const address = (pod.status?.podIPs ?? []).find(({ ip }) => ip?.includes(':') === six)?.ip
  if (!address) throw new NoSuchPlaceError(`pod ${namespace}/${name} has no ${family} address`)
  if (pod.spec.hostNetwork) return { text: `pod ${namespace}/${name} in the node's own network`, from: 'host', address, isPod: false }
  return { text: `pod ${namespace}/${name}`, from: 'network', address, isPod: true }
}

export function addressOf({ status }: Node, six: boolean): string | undefined {
  return (status?.addresses ?? []).find((one) => one.type === 'InternalIP' && one.address.includes(':') === six)?.address
}

/**
 * `svc/web`, `default/web`, `web:http`, `web:8080`, `10.96.0.10:80`, `[fd00::1]:80`; a Service without a port has its first. Throws
 * {@link NoSuchPlaceError}.
 */
export function targetNamed(
  text: string,
  options: { protocol: TransportProtocol | undefined; six: boolean },
  { services }: World,
): AskedTarget {
  const literal = /^(?:\[([^\]]+)\]|([\d.]+)):(\d+)$/.exec(text)
  const address = literal?.[1] ?? literal?.[2]
  if (address !== undefined) {
    const port = Number(literal?.[3])
    if (!isIP(address)) throw new NoSuchPlaceError(`${address} is no IP address`)
    if (port < 1 || port > 65535) throw new NoSuchPlaceError(`${port} is no port: ports are numbers from 1 to 65535`)
    return { text, address, port, protocol: options.protocol ?? 'tcp' }
  }
  if (isIP(text)) throw new NoSuchPlaceError(`which port of ${text}? A target is address:port, of IPv6 [address]:port`)
  const { service, namespace, name, port } = servedService(text, services)
  const { spec = {} } = service
  const clusterIp = (spec.clusterIPs ?? [spec.clusterIP ?? '']).find((one) => one.includes(':') === options.six)
  if (!clusterIp) throw new NoSuchPlaceError(`Service ${namespace}/${name} has no ${options.six ? 'IPv6' : 'IPv4'} address`)
  const ports = spec.ports ?? []
  const chosen = ports.find(
    (one) =>
      (port === '' || one.name === port || String(one.port) === port) &&
      (options.protocol === undefined || (one.protocol ?? 'TCP').toLowerCase() === options.protocol),
  )
  if (!chosen) throw noSuchPort(service)
  const protocol = (chosen.protocol ?? 'TCP').toLowerCase() as TransportProtocol
  return { text: `Service ${namespace}/${name}`, address: clusterIp, port: chosen.port, protocol }
}

interface NamedService {
  readonly service: Service
  readonly namespace: string
  readonly name: string
  /** Empty: all. */
  readonly port: string
}

/** The Service that `web`, `default/web`, `svc/web` or `default/web:http` names. Throws {@link NoSuchPlaceError}. */
export function serviceNamed(text: string, services: readonly Service[]): NamedService {
  const [place = '', port = ''] = text.replace(/^(?:svc|service|services)\//, '').split(':')
  const [namespace, name] = named(place)
  const service = services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  if (!service)
    throw new NoSuchPlaceError(`there is no Service ${namespace}/${name}; name one as namespace/name[:port], or as address:port`)
  return { service, namespace, name, port }
}

/** The same, if it has an address. */
function servedService(text: string, services: readonly Service[]): NamedService {
  const found = serviceNamed(text, services)
  const { namespace, name } = found
  const { spec = {} } = found.service
  if (spec.type === 'ExternalName')
    throw new NoSuchPlaceError(`Service ${namespace}/${name} is an ExternalName: a DNS name for ${spec.externalName}, without an address`)
  if (spec.clusterIP === 'None')
    throw new NoSuchPlaceError(
      `Service ${namespace}/${name} is headless: DNS answers with its pods' own addresses; ask about one of them, as address:port`,
    )
  return found
}

export function noSuchPort({ metadata, spec }: Service): NoSuchPlaceError {
  const has = (spec?.ports ?? []).map((one) => `${one.name ? `${one.name} ` : ''}${one.port}/${one.protocol ?? 'TCP'}`).join(', ')
  return new NoSuchPlaceError(`Service ${metadata.namespace}/${metadata.name} has no such port; it has ${has}`)
}

function named(text: string): [string, string] {
  const [first = '', second] = text.split('/')
  return second === undefined ? ['default', first] : [first, second]
}
