/** Time as an argument, so that a whole control plane also runs on a virtual clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds on a clock that never jumps: for measuring and for deadlines. */
  monotonic(): number
  /** Calls `run` once after `delayMs`; the answer cancels it. A pending timer does not keep the process alive by itself. */
  after(delayMs: number, run: () => void): () => void
  /** Resolves after `delayMs`, where that is 0 after whatever else is due; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** RFC 3339 in UTC with whole seconds: metav1.Time. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** RFC 3339 in UTC with microseconds: metav1.MicroTime. */
export function microTimestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`
}

/** Nanoseconds of CLOCK_MONOTONIC, by which the kernel dates what BPF programs note. */
export function kernelNowNs(): bigint {
  return process.hrtime.bigint()
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref()
    return () => clearTimeout(timer)
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        clearTimeout(timer)
        clearImmediate(turn)
        reject(signal?.reason)
      }
      const finish = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      // A timer takes a millisecond at least; no time at all is one turn of the event loop.
      const timer = delayMs > 0 ? setTimeout(finish, delayMs) : undefined
      const turn = delayMs > 0 ? undefined : setImmediate(finish)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
}
