import { type KubeObject, objectKey } from '../machinery/object.ts'

export interface InformerHandler<T> {
  added?(object: T): void
  updated?(object: T, previous: T): void
  /** With the last known state. */
  deleted?(object: T): void
}

interface Index<T> {
  readonly of: (object: T) => string[]
  /** Of objects by value: most values have one (a Service its slice), and a set for that one would be large beside it. */
  readonly keys: Map<string, string | Set<string>>
}

/** What an informer holds: objects by key and by index, and who is told of changes. Changes are told after they show. */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<string, Index<T>>()
  readonly #handlers = new Set<InformerHandler<T>>()
  readonly #failed: (error: unknown, event: string) => void
  #list: readonly T[] | undefined

  /** `failed` hears of handlers that threw: one handler's fault is not the next one's. */
  constructor(indexes: Record<string, (object: T) => string[]>, failed: (error: unknown, event: string) => void) {
    for (const [name, of] of Object.entries(indexes)) this.#indexes.set(name, { of, keys: new Map() })
    this.#failed = failed
  }

  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  list(): readonly T[] {
    this.#list ??= [...this.#objects.values()]
    return this.#list
  }

  byIndex(index: string, value: string): readonly T[] {
    const entry = this.#indexes.get(index)
    if (!entry) throw new TypeError(`the informer has no index "${index}"`)
    const keys = entry.keys.get(value) ?? []
    return (typeof keys === 'string' ? [keys] : [...keys]).map((key) => this.#objects.get(key) as T)
  }

  on(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler)
    for (const object of this.list()) this.#call('added', () => handler.added?.(object))
    return () => {
      this.#handlers.delete(handler)
    }
  }

  /** Adds or updates; an object of the same name but another uid is told as the end of one and the beginning of another. */
  put(object: T): void {
    const key = objectKey(object)
    const previous = this.#objects.get(key)
    if (previous?.metadata.uid === object.metadata.uid && previous.metadata.resourceVersion === object.metadata.resourceVersion) return
    if (previous && previous.metadata.uid !== object.metadata.uid) this.remove(key, previous)
    const known = previous && previous.metadata.uid === object.metadata.uid ? previous : undefined
    if (known) this.#unindex(key, known)
    this.#objects.set(key, object)
    this.#list = undefined
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(object)) {
        const known = keys.get(value)
        if (known instanceof Set) known.add(key)
        else keys.set(value, known === undefined || known === key ? key : new Set([known, key]))
      }
    }
    for (const handler of [...this.#handlers]) {
      if (known) this.#call('updated', () => handler.updated?.(object, known))
      else this.#call('added', () => handler.added?.(object))
    }
  }

  remove(key: string, lastState: T): void {
    const previous = this.#objects.get(key)
    if (!previous) return
    this.#unindex(key, previous)
    this.#objects.delete(key)
    this.#list = undefined
    for (const handler of [...this.#handlers]) this.#call('deleted', () => handler.deleted?.(lastState))
  }

  /** Makes the cache equal to a new list, telling only the differences. */
  replace(items: readonly T[]): void {
    const keys = new Set(items.map(objectKey))
    for (const [key, object] of [...this.#objects]) if (!keys.has(key)) this.remove(key, object)
    for (const object of items) this.put(object)
  }

  #unindex(key: string, object: T): void {
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(object)) {
        const known = keys.get(value)
        if (known instanceof Set) known.delete(key)
        if (known === key || (known instanceof Set && known.size === 0)) keys.delete(value)
      }
    }
  }

  #call(event: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#failed(error, event)
    }
  }
}
