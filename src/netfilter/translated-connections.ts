import { type Exec, mustRun } from '../host/exec.ts'
import { hostAndPort, type TransportProtocol } from './rules.ts'

/** The connections from one frontend to one endpoint that connection tracking remembers now. */
export interface TranslatedConnections {
  readonly protocol: TransportProtocol
  /** Where the client sent to. */
  readonly address: string
  readonly port: number
  /** `address:port` of who answers. */
  readonly endpoint: string
  readonly connections: number
  /** Both ways; undefined where the kernel does not count (net.netfilter.nf_conntrack_acct is 0). */
  readonly packets: number | undefined
  readonly bytes: number | undefined
}

const line =
  /^(tcp|udp|sctp) .*?src=\S+ dst=(\S+) sport=\d+ dport=(\d+) (?:packets=(\d+) bytes=(\d+) )?(?:\[\w+\] )?src=(\S+) dst=\S+ sport=(\d+) dport=\d+(?: packets=(\d+) bytes=(\d+))?/

/** Connections whose destination was translated, of one family, gathered by frontend and endpoint. */
export async function translatedConnections(exec: Exec, family: 'IPv4' | 'IPv6'): Promise<TranslatedConnections[]> {
  return parseTranslated(await mustRun(exec, 'conntrack', ['-L', '-f', family === 'IPv4' ? 'ipv4' : 'ipv6', '--dst-nat']))
}

/** What `conntrack -L` prints. */
export function parseTranslated(text: string): TranslatedConnections[] {
  const found = new Map<string, TranslatedConnections>()
  for (const each of text.split('\n')) {
    const [, protocol, address, port, packets, bytes, replier, replyPort, replyPackets, replyBytes] = line.exec(each) ?? []
    if (!protocol || !address || !replier) continue
    const endpoint = hostAndPort(replier, Number(replyPort))
    const key = `${protocol} ${address} ${port} ${endpoint}`
    const known = found.get(key)
    const counted = packets !== undefined
    found.set(key, {
      protocol: protocol as TransportProtocol,
      address,
      port: Number(port),
      endpoint,
      connections: (known?.connections ?? 0) + 1,
      packets: counted ? (known?.packets ?? 0) + Number(packets) + Number(replyPackets ?? 0) : known?.packets,
      bytes: counted ? (known?.bytes ?? 0) + Number(bytes) + Number(replyBytes ?? 0) : known?.bytes,
    })
  }
  return [...found.values()]
}
