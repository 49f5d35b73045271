/** The 128 bits of an IPv6 address; undefined for any other text. Zones (`%eth0`) are no part of an address. */
export function parseIpv6(text: string): bigint | undefined {
  const found = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  if (found) {
    const octets = found.slice(2).map(Number) as [number, number, number, number]
    if (octets.some((octet) => octet > 255)) return undefined
    const hex = [octets[0] * 256 + octets[1], octets[2] * 256 + octets[3]].map((part) => part.toString(16)).join(':')
    return parseIpv6(`${found[1]}${hex}`)
  }
  const sides = text.split('::')
  if (sides.length > 2) return undefined
  const [head = [], tail = []] = sides.map((side) => (side === '' ? [] : side.split(':')))
  const missing = 8 - head.length - tail.length
  if (sides.length === 1 ? missing !== 0 : missing < 1) return undefined
  const parts = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  if (parts.some((part) => !/^[0-9a-f]{1,4}$/i.test(part))) return undefined
  return parts.reduce((value, part) => (value << 16n) | BigInt(`0x${part}`), 0n)
}

/** As RFC 5952 wants it, and as the kernel prints it: lower case, the longest run of zeros left out. */
export function ipv6Text(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn))
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && parts[at + length] === 0) length++
    if (length > best.length) best = { at, length }
  }
  const hex = (some: readonly number[]): string => some.map((part) => part.toString(16)).join(':')
  if (best.at < 0) return hex(parts)
  return `${hex(parts.slice(0, best.at))}::${hex(parts.slice(best.at + best.length))}`
}
