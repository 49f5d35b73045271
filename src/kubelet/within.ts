import type { Clock } from '../host/clock.ts'

/** Waits for `work` at most so long: then rejects with `message`, while the work itself goes on. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>, message: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = clock.after(ms, () => reject(new Error(message)))
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
  }
}
