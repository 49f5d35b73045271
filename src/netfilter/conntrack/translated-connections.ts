import { hostAndPort, type TransportProtocol } from '../rules.ts'
import type { Conntrack } from './conntrack.ts'

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

/** Connections whose destination was translated, of one family, gathered by frontend and endpoint. */
export async function translatedConnections(conntrack: Conntrack, family: 'IPv4' | 'IPv6'): Promise<TranslatedConnections[]> {
  const found = new Map<string, TranslatedConnections>()
  await conntrack.look({ family, translated: true }, ({ protocol, address, port, replyAddress, replyPort, packets, bytes }) => {
    const endpoint = hostAndPort(replyAddress, replyPort)
    const key = `${protocol} ${address} ${port} ${endpoint}`
    const known = found.get(key)
    found.set(key, {
      ...{ protocol, address, port, endpoint },
      connections: (known?.connections ?? 0) + 1,
      // Connections from before counting began have none.
      packets: packets === undefined ? known?.packets : (known?.packets ?? 0) + packets,
      bytes: bytes === undefined ? known?.bytes : (known?.bytes ?? 0) + bytes,
    })
  })
  return [...found.values()]
}
