import { type Case, cases, type PodName, services, slices, world } from './scenes.ts'

/** `10.244.1.11` is `fd77::a:f4:1:b`: each octet a group, so that ranges at whole octets stay ranges. */
export function addressInIpv6(address: string): string {
  if (address === '127.0.0.1') return '::1'
  const groups = address.split('.').map((octet) => Number(octet).toString(16))
  // The kernel writes the longest run of zeros as `::`, and so must we.
  return new URL(`http://[fd77::${groups.join(':')}]`).hostname.slice(1, -1)
}

/** Every IPv4 address and range in a value, however deep, as its IPv6 twin; `address:port` as `[address]:port`. */
export function inIpv6<T>(value: T): T {
  const text = JSON.stringify(value)
    .replaceAll(/(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?(?::(\d+))?/g, (_all, address: string, bits?: string, port?: string) => {
      const six = addressInIpv6(address)
      if (port !== undefined) return `[${six}]:${port}`
      return bits === undefined ? six : `${six}/${64 + Number(bits) * 2}`
    })
    .replaceAll('"addressType":"IPv4"', '"addressType":"IPv6"')
  return JSON.parse(text) as T
}

/** What IPv6 has not: the kernel never routes ::1, so node ports don't answer there (as with kube-proxy). */
const isInBoth = (each: Case): boolean => !each.to.startsWith('127.')

export const world6 = inIpv6(world) as unknown as Omit<typeof world, 'pods'> & { pods: Record<PodName, string> }
export const services6 = inIpv6(services)
export const slices6 = inIpv6(slices)
export const cases6 = inIpv6(cases.filter(isInBoth))
