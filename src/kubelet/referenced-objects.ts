import type { ConfigMap, Secret } from '../api/generated/types.ts'
import { configMaps, secrets } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { type Informer, startInformer } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { ReferencedObjects } from './env/environment.ts'
import { within } from './within.ts'

interface Watched {
  readonly informer: Informer<KubeObject>
  readonly stop: AbortController
  /** Pods by uid, and how to tell them of changes. */
  readonly holders: Map<string, () => void>
}

/** A pod doesn't wait longer for an object that the API will not show: it tells why, and tries again. */
const syncMs = 10_000

type Collection = typeof configMaps | typeof secrets

/** The ConfigMaps and Secrets that pods of this node use: each watched by name while some pod refers to it, and no other. */
export class ReferencedObjectCache {
  readonly #deps: { client: Client; clock: Clock; random: Random; log: Log; signal: AbortSignal }
  readonly #watched = new Map<string, Watched>()

  constructor(deps: { client: Client; clock: Clock; random: Random; log: Log; signal: AbortSignal }) {
    this.#deps = deps
  }

  /** The objects as one pod sees them: what it asks for is watched from then on, and `onChange` called when it changes. */
  heldBy(podUid: string, onChange: () => void): ReferencedObjects {
    return {
      configMap: (namespace, name) => this.#get<ConfigMap>(configMaps, namespace, name, podUid, onChange),
      secret: (namespace, name) => this.#get<Secret>(secrets, namespace, name, podUid, onChange),
    }
  }

  /** The pod needs nothing any more. */
  release(podUid: string): void {
    for (const [key, { holders, stop }] of this.#watched) {
      if (!holders.delete(podUid) || holders.size > 0) continue
      stop.abort()
      this.#watched.delete(key)
    }
  }

  async #get<T extends KubeObject>(
    kind: Collection,
    namespace: string,
    name: string,
    podUid: string,
    onChange: () => void,
  ): Promise<T | undefined> {
    if (name === '') return undefined
    const key = `${kind.plural}/${namespace}/${name}`
    const watched = this.#watched.get(key) ?? this.#watch(kind, key, namespace, name)
    watched.holders.set(podUid, onChange)
    const singular = kind.kind.toLowerCase()
    const message = `failed to sync ${singular} cache: timed out waiting for the condition`
    if (!watched.informer.hasSynced) await within(this.#deps.clock, syncMs, watched.informer.synced(), message)
    return watched.informer.get(`${namespace}/${name}`) as T | undefined
  }

  #watch(kind: Collection, key: string, namespace: string, name: string): Watched {
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, this.#deps.signal])
    const fieldSelector = `metadata.name=${name}`
    const informer = startInformer<KubeObject>({ ...this.#deps, resource: kind, namespace, fieldSelector, signal })
    const watched: Watched = { informer, stop, holders: new Map() }
    const tell = (): void => {
      if (informer.hasSynced) for (const onChange of watched.holders.values()) onChange()
    }
    informer.on({ added: tell, updated: tell, deleted: tell })
    this.#watched.set(key, watched)
    return watched
  }
}
