import type { FieldRequirement } from '../machinery/field-selector.ts'

/** What a request path and method ask for, as authorization and dispatch see it. */
export type Route = ResourceRoute | { readonly type: 'path'; readonly path: string; readonly verb: string }

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

export interface ResourceRoute {
  readonly type: 'resource'
  readonly verb: Verb
  readonly group: string
  readonly version: string
  readonly plural: string
  /** Undefined: the cluster, or all namespaces. */
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
  /** What a list or watch is confined to by its field selector; absent: nothing, or nobody has looked. */
  readonly fields?: readonly FieldRequirement[]
}

const objectVerbs: Readonly<Record<string, Verb>> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

function segmentsOf(path: string): string[] | undefined {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

/** Subresources of the namespace itself; any other third segment is a resource within it. */
const namespaceSubresources = new Set(['status', 'finalize'])

/** `/api/v1/namespaces/default/pods/web/log` → pods "web" in "default", subresource log. */
export function routeOf(method: string, path: string, watch: boolean): Route {
  const parts = segmentsOf(path)
  const other: Route = { type: 'path', path, verb: (objectVerbs[method] ?? method).toLowerCase() }
  if (!parts) return other
  const core = parts[0] === 'api'
  if (!core && parts[0] !== 'apis') return other
  const rest = parts.slice(core ? 2 : 3)
  // The older way to say it: /api/v1/watch/namespaces/default/pods.
  const old = rest[0] === 'watch'
  if (old) rest.shift()
  if (rest.length === 0) return other
  const where = locate(rest)
  if (!where || (old && (method !== 'GET' || where.name !== undefined))) return other
  return {
    type: 'resource',
    verb: verbOf(method, where.name !== undefined, watch || old),
    group: core ? '' : (parts[1] as string),
    version: (core ? parts[1] : parts[2]) as string,
    ...where,
  }
}

function locate(rest: string[]): Pick<ResourceRoute, 'namespace' | 'plural' | 'name' | 'subresource'> | undefined {
  let namespace: string | undefined
  let parts = rest
  if (parts[0] === 'namespaces' && parts.length > 2 && !namespaceSubresources.has(parts[2] as string)) {
    namespace = parts[1]
    parts = parts.slice(2)
  }
  // What is behind a proxy has paths of its own.
  if (parts.length > 3 && parts[2] !== 'proxy') return undefined
  const [plural, name, subresource] = parts
  return { namespace, plural: plural as string, name, subresource }
}

function verbOf(method: string, named: boolean, watch: boolean): Verb {
  if (method === 'GET' && !named) return watch ? 'watch' : 'list'
  if (method === 'DELETE' && !named) return 'deletecollection'
  return objectVerbs[method] ?? 'get'
}

const streamedSubresources = new Set(['attach', 'exec', 'proxy', 'log', 'portforward'])

/** The answer may go on for as long as the client likes: such requests have no time limit. */
export function isLongRunning(route: Route): boolean {
  if (route.verb === 'watch' || route.verb === 'proxy') return true
  return route.type === 'resource' && route.subresource !== undefined && streamedSubresources.has(route.subresource)
}
