import { isIP } from 'node:net'
import { systemClock } from '../host/clock.ts'
import { systemRandom } from '../host/random.ts'
import type { RequestOrigin } from '../machinery/api-request.ts'

/** What a connection tells of where a request comes from. `header` answers '' for one that isn't there. */
export interface Arrival {
  readonly url: string
  readonly remoteAddress: string | undefined
  header(name: string): string
}

export const auditIdHeader = 'audit-id'

/** By real time, as the network has it, whatever the cluster's clock says. */
export function originOf(arrival: Arrival): RequestOrigin {
  const { url, remoteAddress } = arrival
  return {
    uri: url,
    auditId: arrival.header(auditIdHeader) || systemRandom.uuid(),
    receivedMs: systemClock.now(),
    sourceIps: () => sourceIps(arrival.header('x-forwarded-for'), arrival.header('x-real-ip'), remoteAddress),
    impersonator: undefined,
  }
}

/** Whom each proxy says it had the request from, then who sent it here; all but the last may be made up. */
export function sourceIps(forwardedFor: string, realIp: string, remoteAddress: string | undefined): string[] {
  const found = forwardedFor
    .split(',')
    .map((part) => part.trim())
    .filter((part) => isIP(part) !== 0)
  const own = plain(remoteAddress ?? '')
  if (isIP(realIp.trim()) !== 0 && !found.includes(realIp.trim())) found.push(realIp.trim())
  return isIP(own) === 0 || found.at(-1) === own ? found : [...found, own]
}

/** A dual-stack socket shows IPv4 as IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
