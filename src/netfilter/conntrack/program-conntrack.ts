import { type Exec, ExecError, mustRun } from '../../host/exec.ts'
import type { TransportProtocol } from '../rules.ts'
import type { Conntrack, Flow, FlowQuery } from './conntrack.ts'
import { matches } from './flow-messages.ts'

/** A million flows take the program some seconds, on a busy machine many. */
const listTimeoutMs = 120_000

/** Through the program conntrack, for where there are no system calls. */
export function programConntrack(exec: Exec): Conntrack {
  const look = async (query: FlowQuery, each: (flow: Flow) => void): Promise<void> => {
    const reader = new FlowReader((flow) => matches(flow, query) && each(flow))
    const onStdout = (text: string): void => reader.push(text)
    const args = ['-L', ...queryArgs(query), ...(query.translated ? ['--dst-nat'] : [])]
    reader.push(await mustRun(exec, 'conntrack', args, { onStdout, timeoutMs: listTimeoutMs }))
    reader.end()
  }
  return {
    look,
    async forget(query, isStale) {
      // All of one frontend that one place answers go at once: what is kept depends on Services and their endpoints, not on flows.
      const stale = new Map<string, Flow>()
      await look(query, (flow) => {
        const key = `${flow.protocol} ${flow.address} ${flow.port} ${flow.replyAddress} ${flow.replyPort}`
        if (!stale.has(key) && isStale(flow)) stale.set(key, flow)
      })
      let forgotten = 0
      for (const flow of stale.values()) forgotten += await forgetAll(exec, query.family, flow)
      return forgotten
    },
  }
}

function queryArgs({ family, protocol, to }: FlowQuery): string[] {
  const args = ['-f', family === 'IPv4' ? 'ipv4' : 'ipv6']
  if (protocol !== undefined) args.push('-p', protocol)
  if (to) args.push('--orig-dst', to.address, '--orig-port-dst', String(to.port))
  return args
}

async function forgetAll(exec: Exec, family: FlowQuery['family'], flow: Flow): Promise<number> {
  const { protocol, address, port, replyAddress, replyPort } = flow
  const args = ['-D', ...queryArgs({ family, protocol, to: { address, port } })]
  args.push('--reply-src', replyAddress, '--reply-port-src', String(replyPort))
  // What it prints of each flow is nobody's business, and may be much.
  const result = await exec.run('conntrack', args, { onStdout: () => undefined, timeoutMs: listTimeoutMs })
  const count = /\b(\d+) flow entries have been deleted/.exec(result.stderr)?.[1]
  if (result.code !== 0 && count !== '0') {
    throw new ExecError(`conntrack ${args.join(' ')} ended with ${result.code}: ${result.stderr.trim()}`, { result })
  }
  return Number(count ?? 0)
}

/** A line holds the original direction first, then the reply's; counters only where the kernel counts. */
const line =
  /^(tcp|udp|sctp) .*?src=\S+ dst=(\S+) sport=\d+ dport=(\d+) (?:packets=(\d+) bytes=(\d+) )?(?:\[\w+\] )?src=(\S+) dst=\S+ sport=(\d+) dport=\d+(?: packets=(\d+) bytes=(\d+))?/

/** Reads what `conntrack -L` prints, as it comes. */
export class FlowReader {
  readonly #each: (flow: Flow) => void
  #rest = ''

  constructor(each: (flow: Flow) => void) {
    this.#each = each
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() as string
    for (const each of lines) this.#read(each)
  }

  end(): void {
    this.#read(this.#rest)
  }

  #read(text: string): void {
    const [, protocol, address, port, packets, bytes, replyAddress, replyPort, replyPackets, replyBytes] = line.exec(text) ?? []
    if (!protocol || !address || !replyAddress) return
    const sum = (one: string | undefined, other: string | undefined): number | undefined =>
      one === undefined ? undefined : Number(one) + Number(other ?? 0)
    this.#each({
      ...{ protocol: protocol as TransportProtocol, address, port: Number(port), replyAddress, replyPort: Number(replyPort) },
      ...{ packets: sum(packets, replyPackets), bytes: sum(bytes, replyBytes) },
    })
  }
}
