import { events as eventKind } from '../api/core/event.ts'
import type { Event, ObjectReference } from '../api/generated/types.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { KubeObject, NewObject } from '../machinery/object.ts'
import { isNotFound } from '../machinery/status.ts'
import { type Client, ConnectionError } from './client.ts'
import { EventCorrelator } from './event-correlator.ts'

export interface EventRecorderDeps {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  /** `deployment-controller`, `kubelet`: source.component and reportingComponent. */
  component: string
  /** The node, for components of a node. */
  host?: string
}

/** Events that wait to be written; more are dropped, as a flood of events must not become a flood of memory. */
const longestQueue = 1_000
const attempts = 12
const retryMs = 10_000

/** A reference by which an event names an object; `fieldPath` such as `spec.containers{web}` names a part of it. */
export function referenceTo(object: KubeObject, fieldPath?: string): ObjectReference {
  const { metadata } = object
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: metadata.name,
    ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    ...(fieldPath ? { fieldPath } : {}),
  }
}

/**
 * Tells users what happened to an object (`kubectl describe`). Like upstream's recorder: a repeated event counts up,
 * many similar ones become one, and a source that tells too much about an object is held back. Never throws and never
 * waits: writing happens behind, in order, and failures are logged.
 */
export class EventRecorder {
  readonly #deps: EventRecorderDeps
  readonly #correlator: EventCorrelator
  readonly #waiting: (() => Promise<void>)[] = []
  #writing = false
  #serial = 0

  constructor(deps: EventRecorderDeps) {
    this.#deps = deps
    this.#correlator = new EventCorrelator()
  }

  /** `about` is the object itself, or a reference to it or to a part of it. */
  event(about: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (this.#deps.signal.aborted) return
    const reference = 'metadata' in about ? referenceTo(about) : about
    const nowMs = this.#deps.clock.now()
    const decision = this.#correlator.observe({ reference, type, reason, message, component: this.#deps.component }, nowMs)
    if (decision.action === 'drop') return
    if (this.#waiting.length >= longestQueue) {
      this.#deps.log.warn('an event was dropped: too many wait to be written', { reason, object: reference.name })
      return
    }
    this.#waiting.push(() => this.#write(reference, type, reason, decision.key, decision.message, nowMs))
    if (!this.#writing) void this.#drain()
  }

  async #drain(): Promise<void> {
    this.#writing = true
    for (let next = this.#waiting.shift(); next && !this.#deps.signal.aborted; next = this.#waiting.shift()) {
      try {
        await this.#withRetries(next)
      } catch (error) {
        if (!this.#deps.signal.aborted) this.#deps.log.debug('an event could not be written', { error })
      }
    }
    this.#writing = false
  }

  /** Only a server that doesn't answer is tried again: an event that it refused stays refused. */
  async #withRetries(write: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await write()
        return
      } catch (error) {
        if (!(error instanceof ConnectionError) || attempt === attempts) throw error
        await this.#deps.clock.sleep(retryMs * (attempt === 1 ? this.#deps.random.float() : 1), this.#deps.signal)
      }
    }
  }

  async #write(about: ObjectReference, type: string, reason: string, key: string, message: string, nowMs: number): Promise<void> {
    const namespace = about.namespace ?? 'default'
    const collection = this.#deps.client.resource<Event>(eventKind, namespace)
    const written = this.#correlator.written(key)
    if (written) {
      try {
        const body = { count: written.count + 1, lastTimestamp: timestamp(nowMs), message }
        const updated = await collection.patch(written.name, { type: 'merge', body })
        this.#correlator.remember(key, { name: updated.metadata.name, count: updated.count ?? written.count + 1 })
        return
      } catch (error) {
        if (!isNotFound(error)) throw error // events are forgotten after a while: begin anew
      }
    }
    const { component, host } = this.#deps
    const event: NewObject<Event> = {
      metadata: { name: this.#name(about.name ?? '', nowMs), namespace },
      involvedObject: about,
      reason,
      message,
      type,
      source: { component, ...(host ? { host } : {}) },
      firstTimestamp: timestamp(nowMs),
      lastTimestamp: timestamp(nowMs),
      count: 1,
      reportingComponent: component,
      reportingInstance: host ?? '',
    }
    const created = await collection.create(event)
    this.#correlator.remember(key, { name: created.metadata.name, count: 1 })
  }

  /** `web.18a4c3f2b1e0d5c6`: nanoseconds in hex as upstream; the serial keeps events of one millisecond apart. */
  #name(objectName: string, nowMs: number): string {
    this.#serial = (this.#serial + 1) % 1_000_000
    return `${objectName}.${(BigInt(Math.floor(nowMs)) * 1_000_000n + BigInt(this.#serial)).toString(16)}`
  }
}
