import type { Clock } from '../host/clock.ts'
import type { ApiRequest } from '../machinery/api-request.ts'
import { badRequest, timeout } from '../machinery/status.ts'
import { isLongRunning, type Route } from './route.ts'

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds of a duration as Go writes it: `90s`, `1h30m`, `1.5s`, `-1ms`. Undefined: it is none. */
export function durationMs(text: string): number | undefined {
  if (/^[-+]?0$/.test(text)) return 0
  if (!/^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined
  const parts = text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)
  const total = [...parts].reduce((sum, [, number, unit]) => sum + Number(number) * (unitMs[unit as string] as number), 0)
  return text.startsWith('-') ? -total : total
}

/**
 * What a request has left, in milliseconds: what it asks for, and the server's own limit at most. Undefined: it has no limit, as
 * its answer goes on, or as a component of this process asks. Throws BadRequest for a time that is none.
 */
export function timeLeftMs(request: ApiRequest, route: Route, limitMs: number, nowMs: () => number): number | undefined {
  if (isLongRunning(route)) return undefined
  const asked = askedMs(request)
  if (asked === undefined && !request.origin) return undefined
  const total = asked !== undefined && asked > 0 && asked < limitMs ? asked : limitMs
  return request.origin ? total - (nowMs() - request.origin.receivedMs) : total
}

function askedMs({ query }: ApiRequest): number | undefined {
  const text = query.get('timeout')
  if (!text) return undefined
  const asked = durationMs(text)
  if (asked !== undefined) return asked
  const why = /^[-+]?[\d.]+$/.test(text) ? `missing unit in duration ${JSON.stringify(text)}` : `invalid duration ${JSON.stringify(text)}`
  throw badRequest(`invalid timeout specified in the request URL - time: ${why}`)
}

/** What has been begun goes on; nobody waits for it any more. */
export async function inTime<T>(leftMs: number, clock: Clock, serve: () => Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = clock.after(Math.max(leftMs, 0), () => reject(timeout('request did not complete within the allotted timeout')))
  try {
    return await Promise.race([serve(), late])
  } finally {
    cancel()
  }
}
