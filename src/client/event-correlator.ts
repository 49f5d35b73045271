import type { ObjectReference } from '../api/generated/types.ts'

interface Observed {
  reference: ObjectReference
  type: string
  reason: string
  message: string
  component: string
}

export type EventDecision = { action: 'drop' } | { action: 'write'; key: string; message: string }

/** Upstream's numbers (client-go's events_cache): similar events, within this time, become one. */
const similarWithinMs = 600_000
const similarLimit = 10
/** A source may tell this many events about one object at once, and one more every five minutes. */
const burst = 25
const refillMs = 300_000
const cacheSize = 4_096

/** Decides what becomes of an event: written as new, counted up, merged with similar ones, or held back as spam. */
export class EventCorrelator {
  readonly #similar = new Recent<{ messages: Set<string>; lastMs: number }>()
  readonly #budgets = new Recent<{ tokens: number; atMs: number }>()
  readonly #written = new Recent<{ name: string; count: number }>()

  observe(event: Observed, nowMs: number): EventDecision {
    const { reference, type, reason, message, component } = event
    const object = [reference.apiVersion, reference.kind, reference.namespace, reference.name, reference.uid].join('/')
    if (!this.#spend([component, object].join('|'), nowMs)) return { action: 'drop' }
    const alike = [component, object, reference.fieldPath, type, reason].join('|')
    const known = this.#similar.get(alike)
    const group = known && nowMs - known.lastMs <= similarWithinMs ? known : { messages: new Set<string>(), lastMs: nowMs }
    group.lastMs = nowMs
    if (group.messages.size < similarLimit) group.messages.add(message)
    this.#similar.set(alike, group)
    if (group.messages.size < similarLimit) return { action: 'write', key: `${alike}|${message}`, message }
    return { action: 'write', key: alike, message: `(combined from similar events): ${message}` }
  }

  /** The event that was written under this key and its count, if it is remembered. */
  written(key: string): { name: string; count: number } | undefined {
    return this.#written.get(key)
  }

  remember(key: string, event: { name: string; count: number }): void {
    this.#written.set(key, event)
  }

  #spend(source: string, nowMs: number): boolean {
    const budget = this.#budgets.get(source) ?? { tokens: burst, atMs: nowMs }
    const tokens = Math.min(burst, budget.tokens + (nowMs - budget.atMs) / refillMs)
    this.#budgets.set(source, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs })
    return tokens >= 1
  }
}

/** A map that forgets what was longest untouched. */
class Recent<V> {
  readonly #entries = new Map<string, V>()

  get(key: string): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= cacheSize) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }
}
