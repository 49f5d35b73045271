import type { Exec } from '../host/exec.ts'
import { ExecError, mustRun } from '../host/exec.ts'

/** Where clients send to, as connection tracking keeps it: the destination before any translation. */
export interface UdpFrontend {
  readonly address: string
  readonly port: number
}

/** All flows of one frontend that are answered from one place. */
export interface UdpFlows extends UdpFrontend {
  readonly replyAddress: string
  readonly replyPort: number
}

/** What the kernel remembers of UDP flows, through the conntrack program. */
export interface Conntrack {
  /** Flows to these frontends. One listing of a family's UDP flows, narrowed by the program when there is but one frontend. */
  list(frontends: readonly UdpFrontend[]): Promise<UdpFlows[]>
  /** Forgets them, so that their next packet is translated afresh. Ones already gone are no error. */
  forget(flows: UdpFlows): Promise<void>
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4')

export function conntrack(exec: Exec): Conntrack {
  return {
    async list(frontends) {
      const found: UdpFlows[] = []
      for (const family of ['ipv4', 'ipv6'] as const) {
        const ofFamily = frontends.filter(({ address }) => familyOf(address) === family)
        const [only] = ofFamily
        if (!only) continue
        const narrow = ofFamily.length === 1 ? ['--orig-dst', only.address, '--orig-port-dst', String(only.port)] : []
        const text = await mustRun(exec, 'conntrack', ['-L', '-f', family, '-p', 'udp', ...narrow])
        const wanted = new Set(ofFamily.map(({ address, port }) => `${address}:${port}`))
        // One by one: flows may be more than one call takes arguments.
        for (const flows of parseFlows(text)) if (wanted.has(`${flows.address}:${flows.port}`)) found.push(flows)
      }
      return found
    },
    async forget({ address, port, replyAddress, replyPort }) {
      const args = ['-D', '-f', familyOf(address), '-p', 'udp', '--orig-dst', address, '--orig-port-dst', String(port)]
      args.push('--reply-src', replyAddress, '--reply-port-src', String(replyPort))
      const result = await exec.run('conntrack', args)
      const nothingMatched = /\b0 flow entries have been deleted/.test(result.stderr)
      if (result.code !== 0 && !nothingMatched) {
        throw new ExecError(`conntrack ${args.join(' ')} ended with ${result.code}: ${result.stderr.trim()}`, { result })
      }
    },
  }
}

/** Each distinct pair of frontend and answerer once. A line holds the original direction first, then the reply's. */
export function parseFlows(text: string): UdpFlows[] {
  const found = new Map<string, UdpFlows>()
  const pattern = /src=\S+ dst=(\S+) sport=\d+ dport=(\d+) (?:\[\w+\] )?src=(\S+) dst=\S+ sport=(\d+) dport=\d+/g
  for (const [, address, port, replyAddress, replyPort] of text.matchAll(pattern)) {
    const flows = { address: address as string, port: Number(port), replyAddress: replyAddress as string, replyPort: Number(replyPort) }
    found.set(JSON.stringify(flows), flows)
  }
  return [...found.values()]
}
