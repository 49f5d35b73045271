import { ipv4Text, parseIpv4 } from './ipv4.ts'
import { ipv6Text, parseIpv6 } from './ipv6.ts'

/** The one way to write an address (`FD00::0:1` is `fd00::1`); undefined for what is none. */
export function canonicalIp(text: string): string | undefined {
  const four = parseIpv4(text)
  if (four !== undefined) return ipv4Text(four)
  const six = parseIpv6(text)
  return six === undefined ? undefined : ipv6Text(six)
}

/** The one way to write a range, host bits cleared: `10.1.2.3/8` is `10.0.0.0/8`. Undefined for what is none. */
export function canonicalCidr(text: string): string | undefined {
  const [address = '', bits = '', ...rest] = text.split('/')
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : 999
  const four = parseIpv4(address)
  const six = four === undefined ? parseIpv6(address) : undefined
  const width = four === undefined ? 128 : 32
  if (rest.length > 0 || length > width) return undefined
  if (four !== undefined) {
    const size = 2 ** (32 - length)
    return `${ipv4Text(four - (four % size))}/${length}`
  }
  if (six === undefined) return undefined
  const free = BigInt(128 - length)
  return `${ipv6Text((six >> free) << free)}/${length}`
}

/** Ranges that stand side by side (`10.244.0.0/16,fd00:10:244::/56`), by family; at most one of each. */
export function rangesByFamily(text: string): { readonly IPv4: string | undefined; readonly IPv6: string | undefined } {
  const ranges = text.split(',').map((range) => range.trim())
  return { IPv4: ranges.find((range) => !range.includes(':')), IPv6: ranges.find((range) => range.includes(':')) }
}
