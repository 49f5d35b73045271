import type { Pod } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { endpointSlices, events, pods, storedKinds } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { type Informer, startInformer, withoutManagedFields } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { KubeObject } from '../machinery/object.ts'

export interface InformersDeps {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

/** Label by which an EndpointSlice names its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'

type Indexes = Record<string, (object: KubeObject) => string[]>

/** Indexes that all informers have: objects by namespace, and by the uids of their owners. */
const everywhere: Indexes = {
  namespace: (object) => [object.metadata.namespace ?? ''],
  owner: (object) => (object.metadata.ownerReferences ?? []).map((owner) => owner.uid),
}

function indexesOf(kind: Kind): Indexes {
  if (kind.plural === pods.plural) return { ...everywhere, node: (pod) => [(pod as Pod).spec.nodeName ?? ''] }
  if (kind.plural === endpointSlices.plural) {
    return { ...everywhere, service: ({ metadata }) => [`${metadata.namespace}/${metadata.labels?.[serviceNameLabel] ?? ''}`] }
  }
  return everywhere
}

/** One informer a kind, shared by all controllers. Events have none: nothing depends on them and there are many. */
export class Informers {
  readonly #informers = new Map<string, Informer<KubeObject>>()

  constructor(deps: InformersDeps) {
    for (const kind of storedKinds) {
      if (kind.plural === events.plural || kind.verbs?.includes('watch') === false) continue
      this.#informers.set(
        `${kind.group}/${kind.plural}`,
        startInformer({ ...deps, resource: kind, indexes: indexesOf(kind), trim: withoutManagedFields }),
      )
    }
  }

  of<T extends KubeObject>(kind: Kind<T>): Informer<T> {
    const informer = this.#informers.get(`${kind.group}/${kind.plural}`)
    if (!informer) throw new TypeError(`there is no informer of ${kind.plural}`)
    return informer as unknown as Informer<T>
  }

  has(kind: Kind): boolean {
    return this.#informers.has(`${kind.group}/${kind.plural}`)
  }

  async synced(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.synced()))
  }
}
