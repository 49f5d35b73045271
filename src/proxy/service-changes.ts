import type { EndpointSlice, Service } from '../api/generated/types.ts'
import type { Informer } from '../client/informer.ts'
import { objectKey } from '../machinery/object.ts'
import type { ChangeCounts } from './metrics.ts'
import { serviceNameLabel } from './service-port.ts'

/** Index of EndpointSlices by `ns/name` of their Service. */
export const slicesByService = 'service'

export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name === undefined ? undefined : `${slice.metadata.namespace}/${name}`
}

/** Set by the EndpointSlice controller: when the change that led to this slice happened. */
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Which Services may have changed since they were last taken. Many changes of one Service are one mark. */
export class ServiceChanges {
  readonly #marked = new Set<string>()
  readonly #onMark: () => void
  #triggers: number[] = []
  #everything = false
  #taken = { services: 0, endpoints: 0 }
  readonly #seen = { services: 0, endpoints: 0 }

  constructor(onMark: () => void) {
    this.#onMark = onMark
  }

  /** The answer stops listening. */
  follow(services: Informer<Service>, slices: Informer<EndpointSlice>): () => void {
    const markService = (service: Service): void => {
      this.#seen.services++
      this.mark(objectKey(service))
    }
    const markSlice = (slice: EndpointSlice, previous?: EndpointSlice): void => {
      this.#seen.endpoints++
      const trigger = Date.parse(slice.metadata.annotations?.[triggerTimeAnnotation] ?? '')
      if (!Number.isNaN(trigger)) this.#triggers.push(trigger)
      for (const key of new Set([serviceKeyOf(slice), previous && serviceKeyOf(previous)])) if (key !== undefined) this.mark(key)
    }
    const stops = [
      services.on({ added: markService, updated: markService, deleted: markService }),
      slices.on({ added: (slice) => markSlice(slice), updated: markSlice, deleted: (slice) => markSlice(slice) }),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  mark(key: string): void {
    this.#marked.add(key)
    this.#onMark()
  }

  /** What all Services depend on changed: the node. */
  markEverything(): void {
    this.#everything = true
    this.#onMark()
  }

  get pending(): boolean {
    return this.#marked.size > 0 || this.#everything
  }

  counts(): ChangeCounts {
    const { services, endpoints } = this.#seen
    return { services, endpoints, pendingServices: services - this.#taken.services, pendingEndpoints: endpoints - this.#taken.endpoints }
  }

  /** The marks so far, `ns/name`; later ones gather anew. `triggers` are times of the causes, ms since the epoch. */
  take(): { keys: string[]; everything: boolean; triggers: number[] } {
    const keys = [...this.#marked]
    const everything = this.#everything
    this.#everything = false
    this.#taken = { ...this.#seen }
    const triggers = this.#triggers
    this.#marked.clear()
    this.#triggers = []
    return { keys, everything, triggers }
  }
}
