import { type Exec, ExecError, mustRun } from '../host/exec.ts'
import { contains } from './address-range.ts'

interface LinkJson {
  addr_info?: { family: string; local?: string }[]
}

/** The host's own addresses of one family, loopback included, narrowed to those in `ranges` (addresses or CIDRs; none: all). */
export async function localAddresses(exec: Exec, family: 'IPv4' | 'IPv6', ranges: readonly string[]): Promise<string[]> {
  const args = ['-json', family === 'IPv4' ? '-4' : '-6', 'address', 'show']
  const text = await mustRun(exec, 'ip', args)
  let links: LinkJson[]
  try {
    links = text.trim() === '' ? [] : (JSON.parse(text) as LinkJson[])
  } catch (cause) {
    throw new ExecError(`ip ${args.join(' ')} printed no JSON`, { cause })
  }
  const all = links.flatMap(({ addr_info = [] }) => addr_info.flatMap(({ local }) => (local === undefined ? [] : [local])))
  return ranges.length === 0 ? all : all.filter((address) => ranges.some((range) => within(range, address)))
}

function within(range: string, address: string): boolean {
  return range.includes('/') ? contains(range, address) : range === address
}

/** Whether the kernel has IPv6 at all (`ipv6.disable=1` takes it away). */
export async function hasIpv6(exec: Exec): Promise<boolean> {
  return (await exec.run('sh', ['-c', 'test -e /proc/net/if_inet6'])).code === 0
}
