/** What the kernel remembers of flows, looked at and forgotten over netlink and by the program: each test in a namespace of its own. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { type Exec, mustRun, systemExec } from '../../src/host/exec.ts'
import { type Libc, loadLibc } from '../../src/host/libc.ts'
import type { Conntrack, Flow, FlowQuery } from '../../src/netfilter/conntrack/conntrack.ts'
import { openConntrack } from '../../src/netfilter/conntrack/open-conntrack.ts'
import { programConntrack } from '../../src/netfilter/conntrack/program-conntrack.ts'
import { type NewFlow, newFlowFlags, newFlowType, writeFlow } from '../../src/netfilter/conntrack/testing/flows.ts'
import { MessageWriter, messagesIn } from '../../src/netfilter/netlink/message.ts'
import { openNetfilterSocket } from '../../src/netfilter/netlink/socket.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the conntrack tests need root')

let spaces = 0
let name: string
const namespace = (): string => `/run/netns/${name}`
const exec = (): Exec => ({
  run: (program, args, options) => systemExec.run('nsenter', [`--net=${namespace()}`, program, ...args], options),
})

/** Puts flows into connection tracking, some hundred a message. */
function create(flows: readonly NewFlow[]): void {
  const socket = openNetfilterSocket(loadLibc() as Libc, { namespace: namespace() })
  try {
    for (let i = 0; i < flows.length; i += 200) {
      const writer = new MessageWriter()
      for (const flow of flows.slice(i, i + 200)) writeFlow(flow, { type: newFlowType, flags: newFlowFlags, sequence: 1 }, writer)
      socket.send(writer.bytes)
      for (let answer = socket.receive(); answer !== undefined; answer = socket.receive()) {
        for (const { errno } of messagesIn(answer as Buffer)) if (errno !== 0) throw new Error(`not created: ${errno}`)
      }
    }
  } finally {
    socket.close()
  }
}

const four = (protocol: NewFlow['protocol'], sourcePort: number, replyAddress: string): NewFlow => ({
  ...{ protocol, source: '10.244.0.9', sourcePort, address: '10.96.0.1', port: 53, replyAddress, replyPort: 5353 },
})
const six = (protocol: NewFlow['protocol'], sourcePort: number, replyAddress: string): NewFlow => ({
  ...{ protocol, source: 'fd00::9', sourcePort, address: 'fd96::1', port: 53, replyAddress, replyPort: 5353 },
})

const shown = async (conntrack: Conntrack, query: FlowQuery): Promise<string[]> => {
  const flows: Flow[] = []
  await conntrack.look(query, (flow) => flows.push(flow))
  return flows.map((flow) => `${flow.protocol} ${flow.address} ${flow.port} ${flow.replyAddress} ${flow.replyPort}`).sort()
}

describe.skipIf(!root)('conntrack', () => {
  beforeEach(async () => {
    name = `okct-${process.pid}-${++spaces}`
    await mustRun(systemExec, 'ip', ['netns', 'add', name])
    // Connection tracking begins with the first rule that asks for it.
    await mustRun(exec(), 'nft', [
      'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new',
    ])
  })
  afterEach(() => mustRun(systemExec, 'ip', ['netns', 'del', name]))

  const hasProgram = async (): Promise<boolean> => (await systemExec.run('sh', ['-c', 'command -v conntrack'])).code === 0
  const ways = [
    { way: 'over netlink', open: (): Conntrack => openConntrack({ exec: exec(), clock: systemClock, namespace: namespace() }) },
    { way: 'through the program conntrack', open: (): Conntrack => programConntrack(exec()), program: true },
  ]

  test.each(ways)('flows are shown and forgotten by family, protocol, frontend and who answers: $way', async ({ open, program }) => {
    // It is no requirement of a node, so it may not be here.
    if (program && !(await hasProgram())) return
    const conntrack = open()
    const [one, other] = ['10.244.0.1', '10.244.0.2']
    create([
      ...[four('udp', 1, one), four('udp', 2, one), four('udp', 3, other), four('sctp', 1, one), four('sctp', 2, other)],
      ...[six('udp', 1, 'fd00::1'), six('udp', 2, 'fd00::2'), six('sctp', 1, 'fd00::1')],
      { ...four('udp', 9, one), port: 54 },
    ])
    expect(await shown(conntrack, { family: 'IPv4', protocol: 'udp', to: { address: '10.96.0.1', port: 53 } })).toEqual([
      'udp 10.96.0.1 53 10.244.0.1 5353',
      'udp 10.96.0.1 53 10.244.0.1 5353',
      'udp 10.96.0.1 53 10.244.0.2 5353',
    ])
    expect(await shown(conntrack, { family: 'IPv6' })).toHaveLength(3)
    expect(await shown(conntrack, { family: 'IPv6', protocol: 'sctp', to: { address: 'fd96::1', port: 53 } })).toEqual([
      'sctp fd96::1 53 fd00::1 5353',
    ])
    const isOfOne = ({ replyAddress }: Flow): boolean => replyAddress === one || replyAddress === 'fd00::1'
    expect(await conntrack.forget({ family: 'IPv4', protocol: 'udp', to: { address: '10.96.0.1', port: 53 } }, isOfOne)).toBe(2)
    expect(await conntrack.forget({ family: 'IPv4', protocol: 'sctp' }, isOfOne)).toBe(1)
    expect(await conntrack.forget({ family: 'IPv6', protocol: 'udp' }, isOfOne)).toBe(1)
    expect(await conntrack.forget({ family: 'IPv6', protocol: 'udp' }, isOfOne)).toBe(0)
    expect([...(await shown(conntrack, { family: 'IPv4' })), ...(await shown(conntrack, { family: 'IPv6' }))]).toEqual([
      'sctp 10.96.0.1 53 10.244.0.2 5353',
      'udp 10.96.0.1 53 10.244.0.2 5353',
      'udp 10.96.0.1 54 10.244.0.1 5353',
      'sctp fd96::1 53 fd00::1 5353',
      'udp fd96::1 53 fd00::2 5353',
    ])
  })

  test('a hundred thousand flows hold up nothing else', async () => {
    const conntrack = openConntrack({ exec: exec(), clock: systemClock, namespace: namespace() })
    create(
      Array.from({ length: 100_000 }, (_, i) => ({
        ...four('udp', 1 + (i % 50_000), i % 2 === 0 ? '10.244.0.1' : '10.244.0.2'),
        source: `10.244.1.${1 + Math.floor(i / 50_000)}`,
        address: `10.96.${i % 100}.1`,
      })),
    )
    let longestMs = 0
    let isOver = false
    const watching = (async () => {
      for (let before = performance.now(); !isOver; ) {
        await systemClock.sleep(0)
        const now = performance.now()
        longestMs = Math.max(longestMs, now - before)
        before = now
      }
    })()
    const started = performance.now()
    const stale = ({ replyAddress }: Flow): boolean => replyAddress === '10.244.0.1'
    expect(await conntrack.forget({ family: 'IPv4', protocol: 'udp' }, stale)).toBe(50_000)
    const tookMs = performance.now() - started
    isOver = true
    await watching
    console.log(`50,000 of 100,000 flows forgotten in ${tookMs.toFixed(0)} ms; the process was away for ${longestMs.toFixed(1)} ms at most`)
    expect(await shown(conntrack, { family: 'IPv4', protocol: 'udp' })).toHaveLength(50_000)
    expect(longestMs).toBeLessThan(tookMs / 2)
    const narrow = performance.now()
    expect(await conntrack.forget({ family: 'IPv4', protocol: 'udp', to: { address: '10.96.7.1', port: 53 } }, () => true)).toBe(1_000)
    console.log(`one frontend of 50,000 flows looked at in ${(performance.now() - narrow).toFixed(0)} ms`)
  })
})
