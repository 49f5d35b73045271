/** How long a failing thing waits before it is tried again, and when that was last decided. */
export interface BackOff {
  readonly delayMs: number
  /** When the delay was last set: a thing that was well for ten minutes starts anew. */
  readonly since: number
}

export interface BackOffLimits {
  readonly initialMs: number
  readonly maxMs: number
}

/** Upstream's for restarts and image pulls: 10 s doubling to 300 s. */
const restartLimits: BackOffLimits = { initialMs: 10_000, maxMs: 300_000 }

const expired = (entry: BackOff, at: number, limits: BackOffLimits): boolean => at - entry.since > 2 * limits.maxMs

/** The entry after one more failure. */
export function nextBackOff(entry: BackOff | undefined, now: number, limits = restartLimits): BackOff {
  if (!entry || expired(entry, now, limits)) return { delayMs: limits.initialMs, since: now }
  return { delayMs: Math.min(entry.delayMs * 2, limits.maxMs), since: now }
}

/** When the thing that failed at `failedAt` may be tried again: at once without an entry. */
export function retryAt(entry: BackOff | undefined, failedAt: number, limits = restartLimits): number {
  if (!entry || expired(entry, failedAt, limits)) return failedAt
  return failedAt + entry.delayMs
}

/** `10s`, `1m20s`, `5m0s`: how Go prints a duration of whole seconds. */
export function goSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
