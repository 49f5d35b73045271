import { BlockList, isIPv6 } from 'node:net'

function parts(cidr: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', bits = ''] = cidr.split('/')
  return { address, bits: Number(bits), family: isIPv6(address) ? 'ipv6' : 'ipv4' }
}

/** Whether a network lies within another and is smaller. Both must be valid. */
export function contains(outer: string, inner: string): boolean {
  const whole = parts(outer)
  const part = parts(inner)
  if (whole.family !== part.family || part.bits <= whole.bits) return false
  const list = new BlockList()
  list.addSubnet(whole.address, whole.bits, whole.family)
  return list.check(part.address, part.family)
}
