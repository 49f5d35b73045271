import { isIPv6 } from 'node:net'
import { canonicalCidr, canonicalIp } from '../machinery/ip-address.ts'

/** Addresses that are sound, but not written as others write them: what compares texts will not find them. */

const quoted = (text: string): string => JSON.stringify(text)

export function* ipWarnings(path: string, ip: string): Iterable<string> {
  const canonical = isIPv6(ip) ? canonicalIp(ip) : undefined
  if (canonical === undefined || canonical === ip) return
  yield `${path}: IPv6 address ${quoted(ip)} should be in RFC 5952 canonical format (${quoted(canonical)})`
}

export function* cidrWarnings(path: string, cidr: string): Iterable<string> {
  const [ip = '', bits = ''] = cidr.split('/')
  const canonical = canonicalCidr(cidr)
  const address = canonicalIp(ip)
  if (canonical === undefined || address === undefined) return
  if (!canonical.startsWith(`${address}/`)) {
    const single = `${address}/${isIPv6(ip) ? 128 : 32}`
    yield `${path}: CIDR value ${quoted(cidr)} is ambiguous in this context (should be ${quoted(canonical)} or ${quoted(single)}?)`
  } else if (isIPv6(ip) && `${ip}/${bits}` !== canonical) {
    yield `${path}: IPv6 CIDR value ${quoted(cidr)} should be in RFC 5952 canonical format (${quoted(canonical)})`
  }
}
