import { BlockList, isIPv6 } from 'node:net'

/** Whether an address is in one of the ranges. */
export function rangeMatcher(cidrs: readonly string[]): (address: string) => boolean {
  const ranges = new BlockList()
  for (const cidr of cidrs) {
    const [network, length] = cidr.split('/') as [string, string]
    ranges.addSubnet(network, Number(length), isIPv6(network) ? 'ipv6' : 'ipv4')
  }
  return (address) => ranges.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** False where the two are of different families. */
export function contains(cidr: string, address: string): boolean {
  const [network, length] = cidr.split('/') as [string, string]
  const family = isIPv6(network) ? 'ipv6' : 'ipv4'
  if (isIPv6(address) !== (family === 'ipv6')) return false
  const range = new BlockList()
  range.addSubnet(network, Number(length), family)
  return range.check(address, family)
}
