import type { Kind } from '../../api/kind.ts'
import type { ApiRequest } from '../../machinery/api-request.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { isTrue } from '../request-options.ts'
import { scaleOf } from '../scale.ts'

/** What is sent to a subresource that has a kind of its own: a Scale, a Binding, the options of a stream. */
export interface RequestForm {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly subresource: string
  readonly object: () => object
  /** Null where nothing was there before. */
  readonly oldObject: () => object | null
}

const none = (): null => null

export function scaleForm(kind: Kind, next: KubeObject, previous: KubeObject): RequestForm {
  const shown = { object: () => scaleOf(kind, next), oldObject: () => scaleOf(kind, previous) }
  return { group: 'autoscaling', version: 'v1', kind: 'Scale', subresource: 'scale', ...shown }
}

const bodies = {
  binding: { group: '', version: 'v1', kind: 'Binding' },
  eviction: { group: 'policy', version: 'v1', kind: 'Eviction' },
  token: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
} as const

/** What is created of an object and not kept as such. */
export function bodyForm(subresource: keyof typeof bodies, body: object): RequestForm {
  return { ...bodies[subresource], subresource, object: () => body, oldObject: none }
}

const streamKinds: Readonly<Record<string, string>> = {
  'pods/exec': 'PodExecOptions',
  'pods/attach': 'PodAttachOptions',
  'pods/portforward': 'PodPortForwardOptions',
  'pods/proxy': 'PodProxyOptions',
  'services/proxy': 'ServiceProxyOptions',
  'nodes/proxy': 'NodeProxyOptions',
}
const flags = ['stdin', 'stdout', 'stderr', 'tty']

/** A connection to an object; undefined: the subresource is only read, as logs are. */
export function connectionForm(
  { plural }: Kind,
  subresource: string,
  { query, path }: Pick<ApiRequest, 'query' | 'path'>,
): RequestForm | undefined {
  const kind = streamKinds[`${plural}/${subresource}`]
  if (!kind) return undefined
  const object = (): object => ({ kind, apiVersion: 'v1', ...optionsOf(subresource, query, path) })
  return { group: '', version: 'v1', kind, subresource, object, oldObject: none }
}

function optionsOf(subresource: string, query: URLSearchParams, path: string): object {
  if (subresource === 'proxy') {
    const behind = /\/proxy(\/.*)?$/s.exec(path)?.[1]
    return behind ? { path: behind } : {}
  }
  if (subresource === 'portforward') {
    const ports = query.getAll('ports').flatMap((text) => text.split(',').map(Number))
    return ports.length > 0 ? { ports } : {}
  }
  const container = query.get('container')
  const command = query.getAll('command')
  return {
    ...Object.fromEntries(flags.filter((flag) => isTrue(query.get(flag))).map((flag) => [flag, true])),
    ...(container ? { container } : {}),
    ...(subresource === 'exec' && command.length > 0 ? { command } : {}),
  }
}
