import type { Node, Pod } from '../api/generated/types.ts'
import { badRequest, internalError, StatusError, serviceUnavailable } from '../machinery/status.ts'
import type { KubeletRequest } from './answer.ts'
import { isTrue } from './request-options.ts'

const logParameters = [
  'follow',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'timestamps',
  'tailLines',
  'limitBytes',
  'insecureSkipTLSVerifyBackend',
  'stream',
]
const logFlags: ReadonlySet<string> = new Set(['follow', 'previous', 'timestamps'])
const streams: readonly (readonly [asked: string, told: string])[] = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
]

/** Where a pod's log or stream is served, in the kubelet's own terms. `subresource`: log, exec, attach, portforward. */
export function kubeletRequestOf(
  pod: Pod,
  subresource: string,
  query: URLSearchParams,
  nodeOf: (name: string) => Node | undefined,
): KubeletRequest {
  const { name, namespace } = pod.metadata
  const parameters = new URLSearchParams()
  if (subresource === 'portforward') {
    for (const port of query.getAll('ports').flatMap((text) => text.split(','))) parameters.append('port', port)
    return requestTo(pod, nodeOf, `/portForward/${namespace}/${name}`, parameters, true)
  }
  const container = containerOf(pod, query.get('container') ?? '', subresource)
  if (subresource === 'log') {
    for (const key of logParameters)
      for (const value of query.getAll(key)) parameters.append(key, logFlags.has(key) ? String(isTrue(value)) : value)
    parameters.delete('insecureSkipTLSVerifyBackend')
    return requestTo(pod, nodeOf, `/containerLogs/${namespace}/${name}/${container}`, parameters, false)
  }
  for (const [asked, told] of streams) if (isTrue(query.get(asked))) parameters.append(told, '1')
  if (subresource === 'exec') {
    const command = query.getAll('command')
    if (command.length === 0) throw badRequest('you must specify at least 1 command')
    for (const part of command) parameters.append('command', part)
  }
  if (!parameters.has('input') && !parameters.has('output') && !parameters.has('error')) {
    throw badRequest('you must specify at least one of stdin, stdout, stderr')
  }
  return requestTo(pod, nodeOf, `/${subresource}/${namespace}/${name}/${container}`, parameters, true)
}

function requestTo(
  pod: Pod,
  nodeOf: (name: string) => Node | undefined,
  path: string,
  parameters: URLSearchParams,
  upgrades: boolean,
): KubeletRequest {
  const { nodeName } = pod.spec
  if (!nodeName) {
    throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`)
  }
  const node = nodeOf(nodeName)
  if (!node) throw serviceUnavailable(`node ${JSON.stringify(nodeName)} of pod ${JSON.stringify(pod.metadata.name)} not found`)
  const query = parameters.toString()
  return {
    type: 'kubelet',
    ...kubeletAddressOf(node),
    path: path + (query ? `?${query}` : ''),
    upgrades,
  }
}

/** Where a node's kubelet is reached. Throws ServiceUnavailable for a node without an address. */
export function kubeletAddressOf({ status }: Node): { host: string; port: number } {
  const host = ['InternalIP', 'Hostname', 'ExternalIP']
    .map((type) => status?.addresses?.find((one) => one.type === type)?.address)
    .find((one) => one !== undefined)
  if (!host) throw serviceUnavailable(`no preferred addresses found; known addresses: []`)
  return { host, port: status?.daemonEndpoints?.kubeletEndpoint?.Port || 10250 }
}

/** The container asked for, or the only one, or the one that the pod names as default. */
function containerOf({ metadata, spec }: Pod, asked: string, subresource: string): string {
  const containers = spec.containers.map((one) => one.name)
  const init = (spec.initContainers ?? []).map((one) => one.name)
  const ephemeral = (spec.ephemeralContainers ?? []).map((one) => one.name)
  if (asked) {
    if ([...containers, ...init, ...ephemeral].includes(asked)) return asked
    throw badRequest(`container ${asked} is not valid for pod ${metadata.name}`)
  }
  if (containers.length === 1) return containers[0] as string
  const chosen = metadata.annotations?.['kubectl.kubernetes.io/default-container']
  if (subresource !== 'log' && chosen && containers.includes(chosen)) return chosen
  const also = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : ''
  throw badRequest(`a container name must be specified for pod ${metadata.name}, choose one of: [${containers.join(' ')}]${also}`)
}

/** The kubelet could not be asked. */
export function kubeletUnreachable(request: KubeletRequest, error: Error): StatusError {
  const message = `error dialing backend: ${error.message}`
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: `Get "https://${request.host}:${request.port}${request.path}": ${message}`,
    reason: 'InternalError',
    code: 500,
  })
}

/** What the kubelet answered instead of a log, as the Status that clients show: kubectl prints its message. */
export function kubeletRefusal(code: number, text: string): StatusError {
  if (code === 400) return badRequest(text)
  if (code === 500) return internalError(text)
  const reason = code === 404 ? 'NotFound' : code === 503 ? 'ServiceUnavailable' : 'Unknown'
  return new StatusError({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message: text, reason, code })
}
