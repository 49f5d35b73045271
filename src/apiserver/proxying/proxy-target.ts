import type { EndpointSlice, Node, Pod, Service } from '../../api/generated/types.ts'
import type { Random } from '../../host/random.ts'
import { badRequest, serviceUnavailable } from '../../machinery/status.ts'
import type { ProxyTarget } from '../answer.ts'
import { kubeletAddressOf } from '../kubelet-request.ts'

/** `web`, `web:http`, `https:web:443`: what the name in the path says. Throws BadRequest for anything else. */
export function parseProxyName(text: string): { scheme: 'http' | 'https' | undefined; name: string; port: string } {
  const parts = text.split(':')
  const [first = '', second = '', third = ''] = parts
  if (parts.length === 1) return { scheme: undefined, name: first, port: '' }
  if (parts.length === 2) return { scheme: undefined, name: first, port: second }
  if (parts.length > 3 || !['', 'http', 'https'].includes(first)) throw badRequest(`invalid pod request ${JSON.stringify(text)}`)
  return { scheme: first === '' ? undefined : (first as 'http' | 'https'), name: second, port: third }
}

export function podTarget(pod: Pod, { scheme = 'http', port }: Pick<ReturnType<typeof parseProxyName>, 'scheme' | 'port'>): ProxyTarget {
  const host = pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP
  if (!host) throw badRequest('address not allowed')
  const declared = pod.spec.containers.find(({ ports }) => ports?.length)?.ports?.[0]?.containerPort
  return { scheme, host, port: portNumber(port) ?? declared ?? (scheme === 'https' ? 443 : 80), isKubelet: false }
}

/** One of the Service's ready endpoints, by chance. Throws ServiceUnavailable where it has none, or no such port. */
export function serviceTarget(
  service: Service,
  slices: readonly EndpointSlice[],
  asked: Pick<ReturnType<typeof parseProxyName>, 'scheme' | 'port'>,
  random: Random,
): ProxyTarget {
  const { name } = service.metadata
  const ports = service.spec?.ports ?? []
  const port =
    asked.port === '' && ports.length === 1 ? ports[0] : ports.find((one) => one.name === asked.port || String(one.port) === asked.port)
  if (!port) throw serviceUnavailable(`no service port ${JSON.stringify(asked.port)} found for service ${JSON.stringify(name)}`)
  const ready = slices.flatMap((slice) => {
    const number = slice.ports?.find((one) => (one.name ?? '') === (port.name ?? ''))?.port
    if (number === undefined) return []
    return (slice.endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready ?? true)
      .map(({ addresses }) => ({ host: addresses[0], port: number }))
  })
  const chosen = ready[Math.floor(random.float() * ready.length)]
  if (!chosen?.host) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`)
  return { scheme: asked.scheme ?? 'http', host: chosen.host, port: chosen.port, isKubelet: false }
}

/** A node's kubelet, or any other port of the node. */
export function nodeTarget(node: Node, { scheme, port }: Pick<ReturnType<typeof parseProxyName>, 'scheme' | 'port'>): ProxyTarget {
  const kubelet = kubeletAddressOf(node)
  const number = portNumber(port) ?? kubelet.port
  const isKubelet = number === kubelet.port
  return { scheme: scheme ?? (isKubelet ? 'https' : 'http'), host: kubelet.host, port: number, isKubelet }
}

function portNumber(text: string): number | undefined {
  if (text === '') return undefined
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 65_535) throw badRequest(`invalid port ${JSON.stringify(text)}`)
  return number
}

/** What follows `/proxy` in a path, undecoded; undefined without so much as a slash. */
export function pathBehindProxy(path: string): string | undefined {
  return /\/(?:pods|services|nodes)\/[^/]+\/proxy(\/.*)?$/.exec(path)?.[1]
}
