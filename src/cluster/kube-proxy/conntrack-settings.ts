import { readFile, writeFile } from 'node:fs/promises'
import type { Log } from '../../host/log.ts'
import type { ConntrackConfiguration } from './configuration.ts'

const folder = '/proc/sys/net/netfilter'

/** What the kernel's connection tracking shall be set to, by file name: nothing where the configuration leaves it. */
export function wantedSettings(
  conntrack: ConntrackConfiguration,
  cores: number,
  current: { max: number },
): [file: string, value: number][] {
  const { maxPerCore, min, tcpEstablishedSeconds, tcpCloseWaitSeconds, tcpBeLiberal, udpSeconds, udpStreamSeconds } = conntrack
  const max = maxPerCore > 0 ? Math.max(maxPerCore * cores, min) : 0
  const all: [string, number | undefined][] = [
    // Somebody may have raised it for good reason: connections that the table holds must not be more than it may.
    ['nf_conntrack_max', max > current.max ? max : undefined],
    ['nf_conntrack_tcp_timeout_established', tcpEstablishedSeconds],
    ['nf_conntrack_tcp_timeout_close_wait', tcpCloseWaitSeconds],
    ['nf_conntrack_tcp_be_liberal', tcpBeLiberal ? 1 : undefined],
    ['nf_conntrack_udp_timeout', udpSeconds],
    ['nf_conntrack_udp_timeout_stream', udpStreamSeconds],
  ]
  return all.flatMap(([file, value]) => (value === undefined ? [] : [[file, value] as [string, number]]))
}

/** Sets them. A container may not be allowed to: Services work all the same, so that is only said. */
export async function applyConntrackSettings(conntrack: ConntrackConfiguration, cores: number, log: Log): Promise<void> {
  const refused: string[] = []
  const max = Number(await current('nf_conntrack_max')) || 0
  for (const [file, value] of wantedSettings(conntrack, cores, { max })) {
    if ((await current(file)) === String(value)) continue
    try {
      await writeFile(`${folder}/${file}`, String(value))
    } catch (error) {
      refused.push(`${file}=${value} (${(error as NodeJS.ErrnoException).code})`)
    }
  }
  if (refused.length > 0) log.warn('connection tracking is left as it is: set these on the host', { settings: refused.join(', ') })
}

async function current(file: string): Promise<string | undefined> {
  try {
    return (await readFile(`${folder}/${file}`, 'utf8')).trim()
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
