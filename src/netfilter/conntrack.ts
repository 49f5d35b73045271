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
  /** Flows of both families to addresses that `isWanted`. */
  listTo(isWanted: (address: string) => boolean): Promise<UdpFlows[]>
  /** Forgets them, so that their next packet is translated afresh. Ones already gone are no error. */
  forget(flows: UdpFlows): Promise<void>
}

const liberalSetting = '/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal'

/** Whether TCP packets out of the window count as valid, but for resets. Not where connections have not been tracked so far. */
export async function isTcpLiberal(exec: Exec): Promise<boolean> {
  // Through a shell, so that it is the setting of the network namespace that the Exec runs in.
  const { stdout } = await exec.run('sh', ['-c', `cat ${liberalSetting}`])
  return Number(stdout) !== 0
}

/** A million flows take the program some seconds, on a busy machine many. */
const listTimeoutMs = 120_000

const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4')
const families = ['ipv4', 'ipv6'] as const

export function conntrack(exec: Exec): Conntrack {
  const dump = async (family: 'ipv4' | 'ipv6', narrow: readonly string[], isWanted: IsWanted): Promise<UdpFlows[]> => {
    const reader = new FlowReader(isWanted)
    const onStdout = (text: string): void => reader.push(text)
    const args = ['-L', '-f', family, '-p', 'udp', ...narrow]
    reader.push(await mustRun(exec, 'conntrack', args, { onStdout, timeoutMs: listTimeoutMs }))
    return reader.end()
  }
  return {
    async list(frontends) {
      const found: UdpFlows[] = []
      for (const family of families) {
        const ofFamily = frontends.filter(({ address }) => familyOf(address) === family)
        const [only] = ofFamily
        if (!only) continue
        const narrow = ofFamily.length === 1 ? ['--orig-dst', only.address, '--orig-port-dst', String(only.port)] : []
        const wanted = new Set(ofFamily.map(({ address, port }) => `${address}:${port}`))
        const isWanted: IsWanted = (address, port) => wanted.has(`${address}:${port}`)
        // One by one: flows may be more than one call takes arguments.
        for (const flows of await dump(family, narrow, isWanted)) found.push(flows)
      }
      return found
    },
    async listTo(isWanted) {
      const found: UdpFlows[] = []
      for (const family of families) for (const flows of await dump(family, [], isWanted)) found.push(flows)
      return found
    },
    async forget({ address, port, replyAddress, replyPort }) {
      const args = ['-D', '-f', familyOf(address), '-p', 'udp', '--orig-dst', address, '--orig-port-dst', String(port)]
      args.push('--reply-src', replyAddress, '--reply-port-src', String(replyPort))
      // What it prints of each flow is nobody's business, and may be much.
      const result = await exec.run('conntrack', args, { onStdout: () => undefined, timeoutMs: listTimeoutMs })
      const nothingMatched = /\b0 flow entries have been deleted/.test(result.stderr)
      if (result.code !== 0 && !nothingMatched) {
        throw new ExecError(`conntrack ${args.join(' ')} ended with ${result.code}: ${result.stderr.trim()}`, { result })
      }
    },
  }
}

type IsWanted = (address: string, port: string) => boolean

/**
 * Reads the listing as it comes, and keeps each wanted pair of frontend and answerer once: memory depends on Services and
 * their endpoints, not on how many flows there are. A line holds the original direction first, then the reply's.
 */
export class FlowReader {
  readonly #isWanted: IsWanted
  readonly #found = new Map<string, UdpFlows>()
  #rest = ''

  constructor(isWanted: IsWanted) {
    this.#isWanted = isWanted
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() as string
    for (const line of lines) this.#read(line)
  }

  end(): UdpFlows[] {
    this.#read(this.#rest)
    return [...this.#found.values()]
  }

  #read(line: string): void {
    const pattern = /src=\S+ dst=(\S+) sport=\d+ dport=(\d+) (?:\[\w+\] )?src=(\S+) dst=\S+ sport=(\d+) dport=\d+/
    const [, address, port, replyAddress, replyPort] = pattern.exec(line) ?? []
    if (!address || !port || !replyAddress || !this.#isWanted(address, port)) return
    const key = `${address} ${port} ${replyAddress} ${replyPort}`
    if (!this.#found.has(key)) this.#found.set(key, { address, port: Number(port), replyAddress, replyPort: Number(replyPort) })
  }
}
