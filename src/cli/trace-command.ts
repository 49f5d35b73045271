import { followPackets } from '../cluster/ask/follow-packets.ts'
import { type TraceAnswer, type Traced, traced } from '../cluster/ask/trace.ts'
import { systemClock } from '../host/clock.ts'
import { systemExec } from '../host/exec.ts'
import { type AskedOptions, askedCluster } from './asked-options.ts'
import { paint } from './colors.ts'
import { existing, requireRoot } from './failure.ts'
import { table } from './table.ts'

export interface TraceOptions extends AskedOptions {
  protocol?: 'tcp' | 'udp' | 'sctp'
  ipv6?: boolean
  rules?: boolean
  live?: boolean
  packets: number
  output: 'text' | 'json'
}

export async function traceCommand(client: string, target: string, options: TraceOptions): Promise<void> {
  requireRoot('trace')
  const cluster = await askedCluster(options)
  const question = { client, target, protocol: options.protocol, six: options.ipv6 ?? false }
  const found = await existing(traced(question, cluster, { exec: systemExec, clock: systemClock }))
  const { answer } = found
  process.stdout.write(options.output === 'json' ? `${JSON.stringify(answer, null, 2)}\n` : asText(answer, options.rules ?? false))
  if (options.live) await follow(found, options.packets)
}

/** Prints what the kernel tells of real packets, until enough were seen or Ctrl-C. */
async function follow({ answer, podAt }: Traced, count: number): Promise<void> {
  const { client, target, atSocket } = answer
  if (atSocket)
    process.stdout.write(`\nNo packet of this pod bears ${target.address}: ask with the address:port of an endpoint to follow them.\n`)
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort())
  process.stdout.write(`\nFollowing the first packets of new connections, ${count} at most; Ctrl-C ends.\n`)
  // Nobody in particular stands for everybody outside.
  const source = client.text === 'outside' ? undefined : client.address
  const followed = { source, destination: target.address, port: target.port, protocol: target.protocol }
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  await followPackets(followed, { exec: systemExec, clock: systemClock, count, signal: stop.signal, podAt, print })
}

function asText(answer: TraceAnswer, withRules: boolean): string {
  const { client, target } = answer
  const at = target.address.includes(':') ? `[${target.address}]:${target.port}` : `${target.address}:${target.port}`
  const lines = [
    `${client.text} (${client.address}) to ${at}/${target.protocol}: ${answer.destination}`,
    ...answer.facts.map((fact) => `  ${fact}`),
    '',
  ]
  const rows = answer.ways.map(({ share, goesTo, source }) => [percent(share), goesTo, source])
  lines.push(table(['SHARE', 'GOES TO', 'SOURCE ADDRESS'], rows).trimEnd())
  if (withRules) {
    for (const { share, goesTo, rules } of answer.ways) {
      lines.push(
        '',
        `${percent(share)} ${goesTo}, by these rules:`,
        ...(rules.length > 0 ? rules.map((rule) => `  ${rule}`) : ['  none that changed anything']),
      )
    }
  }
  if (answer.notes.length > 0) lines.push('', ...answer.notes.map((note) => `${paint('yellow', 'note:')} ${note}`))
  return `${lines.join('\n')}\n`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
