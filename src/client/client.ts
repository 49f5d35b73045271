import type { ResourceName } from '../machinery/group-version.ts'
import type { KubeObject, NewObject, ObjectList, Status } from '../machinery/object.ts'

/**
 * A typed client of the API. Answers are the server's objects and are never changed in place: copy before changing
 * (with the in-process transport they are the server's own). Errors are StatusErrors, or {@link ConnectionError}
 * where no answer came.
 */
export interface Client {
  /** For namespaced kinds; without a namespace only list, watch and deleteCollection across all of them make sense. */
  resource<T extends KubeObject>(resource: ResourceName, namespace?: string): ResourceClient<T>
  /** The raw answer to a GET, such as /version or /readyz. */
  raw(path: string, options?: { signal?: AbortSignal }): Promise<string>
  /** Ends kept-alive connections. */
  close(): Promise<void>
}

export interface ResourceClient<T extends KubeObject> {
  get(name: string): Promise<T>
  list(options?: ListQuery): Promise<ObjectList<T>>
  /** Events from after `resourceVersion`. Ends when the server ends it or the signal aborts; an ERROR event is thrown as its StatusError. */
  watch(options: WatchQuery): AsyncIterable<WatchEvent<T>>
  create(object: NewObject<T>): Promise<T>
  /** Replaces; a resourceVersion in the object must still be the newest. */
  update(object: T): Promise<T>
  updateStatus(object: T): Promise<T>
  /** PUT to a subresource that takes the whole object, such as a Namespace's finalize. */
  updateSubresource(object: T, subresource: string): Promise<T>
  patch(name: string, patch: Patch, options?: { subresource?: string }): Promise<T>
  delete(name: string, options?: DeleteOptions): Promise<T | Status>
  deleteCollection(options?: ListQuery & DeleteOptions): Promise<void>
  /** POST to a subresource such as binding, eviction or token. */
  createSubresource<R = Status>(name: string, subresource: string, body: unknown): Promise<R>
}

export type Patch =
  | { type: 'json'; body: readonly unknown[] }
  | { type: 'merge'; body: unknown }
  | { type: 'strategic'; body: unknown }
  | { type: 'apply'; body: unknown; fieldManager: string; force?: boolean }

export interface ListQuery {
  labelSelector?: string
  fieldSelector?: string
  resourceVersion?: string
  limit?: number
  continue?: string
}

export interface WatchQuery {
  labelSelector?: string
  fieldSelector?: string
  resourceVersion: string
  allowWatchBookmarks?: boolean
  signal: AbortSignal
}

export interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  /** A bookmark's object holds nothing but its kind and metadata.resourceVersion. */
  object: T
}

export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  preconditions?: { uid?: string; resourceVersion?: string }
}

/** The server could not be reached, or broke off in the middle. */
export class ConnectionError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ConnectionError'
  }
}
