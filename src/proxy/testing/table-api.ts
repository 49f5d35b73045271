import type { EndpointSlice, Node, Service, ServiceCIDR } from '../../api/generated/types.ts'
import type { Client, ResourceClient, WatchEvent, WatchQuery } from '../../client/client.ts'
import type { ResourceName } from '../../machinery/group-version.ts'
import type { KubeObject } from '../../machinery/object.ts'

/** The least API that an informer needs: collections that a test changes, listed and watched. */
export class TableApi implements Client {
  readonly #objects = new Map<string, KubeObject>()
  readonly #watchers = new Map<string, Set<(event: WatchEvent<KubeObject>) => void>>()
  #revision = 0

  put(object: Service | EndpointSlice | Node | ServiceCIDR): void {
    const key = `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#revision) } } as KubeObject
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED'
    this.#objects.set(key, stored)
    this.#tell({ type, object: stored })
  }

  remove(object: Service | EndpointSlice | Node | ServiceCIDR): void {
    const key = `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`
    const stored = this.#objects.get(key)
    if (!stored || !this.#objects.delete(key)) return
    this.#tell({ type: 'DELETED', object: { ...stored, metadata: { ...stored.metadata, resourceVersion: String(++this.#revision) } } })
  }

  #tell(event: WatchEvent<KubeObject>): void {
    for (const watcher of this.#watchers.get(event.object.kind) ?? []) watcher(event)
  }

  resource<T extends KubeObject>(resource: ResourceName): ResourceClient<T> {
    const { kind } = resource
    const items = (): T[] => [...this.#objects.values()].filter((object) => object.kind === kind) as T[]
    const client: Pick<ResourceClient<T>, 'list' | 'watch'> = {
      list: async () => ({
        apiVersion: 'v1',
        kind: `${kind}List`,
        metadata: { resourceVersion: String(this.#revision) },
        items: items(),
      }),
      watch: (options) => this.#watch(kind, options) as AsyncIterable<WatchEvent<T>>,
    }
    return client as ResourceClient<T>
  }

  async *#watch(kind: string, options: WatchQuery): AsyncIterable<WatchEvent<KubeObject>> {
    const queue: WatchEvent<KubeObject>[] = [...this.#objects.values()]
      .filter((object) => object.kind === kind && Number(object.metadata.resourceVersion) > Number(options.resourceVersion))
      .map((object) => ({ type: 'MODIFIED', object }))
    let wake = (): void => undefined
    const watcher = (event: WatchEvent<KubeObject>): void => {
      queue.push(event)
      wake()
    }
    const watchers = this.#watchers.get(kind) ?? new Set()
    this.#watchers.set(kind, watchers.add(watcher))
    options.signal.addEventListener('abort', () => wake(), { once: true })
    try {
      while (!options.signal.aborted) {
        const event = queue.shift()
        if (event) yield event
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      watchers.delete(watcher)
    }
  }

  raw(): Promise<string> {
    return Promise.reject(new Error('the table API has no raw paths'))
  }

  async close(): Promise<void> {}
}
