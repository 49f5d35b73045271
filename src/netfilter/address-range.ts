import { BlockList, isIPv6 } from 'node:net'

/** False where the two are of different families. */
export function contains(cidr: string, address: string): boolean {
  const [network, length] = cidr.split('/') as [string, string]
  const family = isIPv6(network) ? 'ipv6' : 'ipv4'
  if (isIPv6(address) !== (family === 'ipv6')) return false
  const range = new BlockList()
  range.addSubnet(network, Number(length), family)
  return range.check(address, family)
}
