import { apiVersionOf, type ResourceName, resourcePath } from '../machinery/group-version.ts'
import type { KubeObject, NewObject, ObjectList, Status } from '../machinery/object.ts'
import { internalError, StatusError } from '../machinery/status.ts'
import type { Client, DeleteOptions, ListQuery, Patch, ResourceClient, WatchEvent, WatchQuery } from './client.ts'

/** One call of the API, before it is known how it travels. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query: URLSearchParams
  /** Of the body; '' without one. */
  readonly contentType: string
  readonly body: object | undefined
  readonly signal: AbortSignal | undefined
}

/** How calls travel. Everything that both clients share stands above it, so that they cannot differ. */
export interface Transport {
  /** The answer's object; throws StatusError, or ConnectionError where none came. */
  call(call: Call): Promise<object>
  /** Events as they come; ERROR events included. Ends with the server's end or the signal. */
  watch(call: Call): AsyncIterable<{ readonly type: string; readonly object: object }>
  text(path: string, signal: AbortSignal | undefined): Promise<string>
  close(): Promise<void>
}

export function clientOver(transport: Transport): Client {
  return {
    resource: <T extends KubeObject>(resource: ResourceName, namespace?: string) => resourceClient<T>(transport, resource, namespace),
    raw: (path, options) => transport.text(path, options?.signal),
    close: () => transport.close(),
  }
}

const patchTypes: Record<Patch['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml', // JSON is YAML
}

function listQuery(options: ListQuery): URLSearchParams {
  const query = new URLSearchParams()
  for (const name of ['labelSelector', 'fieldSelector', 'resourceVersion', 'limit', 'continue'] as const) {
    const value = options[name]
    if (value !== undefined && value !== '') query.set(name, String(value))
  }
  return query
}

function deleteBody(options: DeleteOptions): object | undefined {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options
  if (gracePeriodSeconds === undefined && propagationPolicy === undefined && preconditions === undefined) return undefined
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  }
}

function resourceClient<T extends KubeObject>(transport: Transport, resource: ResourceName, namespace?: string): ResourceClient<T> {
  const json = 'application/json'
  const call = (method: Call['method'], path: string, body?: object, query = new URLSearchParams(), contentType = json): Promise<object> =>
    transport.call({ method, path, query, contentType: body ? contentType : '', body, signal: undefined })
  const collection = (): string => resourcePath(resource, namespace)
  const pathOf = (name: string, subresource?: string, within = namespace): string => {
    if (!name) throw new TypeError(`a name is needed to address one of ${resource.plural}`)
    if (resource.namespaced && !within) throw new TypeError(`a namespace is needed to address ${resource.plural} "${name}"`)
    return resourcePath(resource, within, name, subresource)
  }
  /** Objects made in code often leave the type out: the wire wants it. */
  const typed = (object: object): object => ({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object })
  const replace = async (object: T, subresource?: string): Promise<T> =>
    (await call('PUT', pathOf(object.metadata.name, subresource, object.metadata.namespace ?? namespace), typed(object))) as T

  return {
    get: async (name) => (await call('GET', pathOf(name))) as T,
    list: async (options = {}) => (await call('GET', collection(), undefined, listQuery(options))) as ObjectList<T>,
    watch: (options) => watchEvents<T>(transport, collection(), options),
    async create(object: NewObject<T>) {
      const within = object.metadata.namespace ?? namespace
      if (resource.namespaced && !within) throw new TypeError(`a namespace is needed to create one of ${resource.plural}`)
      return (await call('POST', resourcePath(resource, within), typed(object))) as T
    },
    update: (object) => replace(object),
    updateStatus: (object) => replace(object, 'status'),
    updateSubresource: replace,
    async patch(name, patch, options = {}) {
      const query = new URLSearchParams()
      if (patch.type === 'apply') {
        query.set('fieldManager', patch.fieldManager)
        if (patch.force) query.set('force', 'true')
      }
      return (await call('PATCH', pathOf(name, options.subresource), patch.body as object, query, patchTypes[patch.type])) as T
    },
    delete: async (name, options = {}) => (await call('DELETE', pathOf(name), deleteBody(options))) as T | Status,
    async deleteCollection(options = {}) {
      await call('DELETE', collection(), deleteBody(options), listQuery(options))
    },
    createSubresource: async <R>(name: string, subresource: string, body: unknown) =>
      (await call('POST', pathOf(name, subresource), body as object)) as R,
  }
}

async function* watchEvents<T extends KubeObject>(transport: Transport, path: string, options: WatchQuery): AsyncGenerator<WatchEvent<T>> {
  const query = listQuery(options)
  query.set('watch', 'true')
  if (options.allowWatchBookmarks) query.set('allowWatchBookmarks', 'true')
  for await (const event of transport.watch({ method: 'GET', path, query, contentType: '', body: undefined, signal: options.signal })) {
    if (options.signal.aborted) return
    if (event.type === 'ERROR') throw new StatusError(event.object as Status)
    yield event as WatchEvent<T>
  }
}

/** The error that an answer with a code of 400 or more stands for. */
export function errorOf(code: number, object: unknown, text = ''): StatusError {
  const status = object as Partial<Status> | undefined
  if (status?.kind === 'Status' && typeof status.code === 'number') return new StatusError(status as Status)
  const unknown = internalError(text.trim().slice(0, 1024) || `the server answered ${code} without saying why`)
  return new StatusError({ ...unknown.status, code, reason: reasonOf(code), message: text.trim().slice(0, 1024) || unknown.message })
}

const reasons: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}
const reasonOf = (code: number): string => reasons[code] ?? 'InternalError'
