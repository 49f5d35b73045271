import { systemClock } from '../../src/host/clock.ts'
import { mustRun } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import type { Conntrack } from '../../src/netfilter/conntrack/conntrack.ts'
import { openConntrack } from '../../src/netfilter/conntrack/open-conntrack.ts'
import { programConntrack } from '../../src/netfilter/conntrack/program-conntrack.ts'
import { type OpenNftables, openNftables } from '../../src/netfilter/nftables/open-nftables.ts'
import { openProgramKernel } from '../../src/netfilter/nftables/program-kernel.ts'
import { type ProxyFamily, type ProxyMode, type ProxyOptions, removeProxyRules, startProxy } from '../../src/proxy/proxy.ts'
import type { AddressFamily } from '../../src/proxy/service-port.ts'
import { inIpv6, world6 } from '../../src/proxy/testing/ipv6-scenes.ts'
import { world } from '../../src/proxy/testing/scenes.ts'
import type { TableApi } from '../../src/proxy/testing/table-api.ts'
import type { PacketWorld } from './proxy-world.ts'

/** What programs the rules. */
export interface BackEnd {
  readonly name: string
  readonly mode: ProxyMode
  /** Which kind of iptables: what the mode iptables uses, and where others' rules are looked for. */
  readonly variant: 'nft' | 'legacy'
  /** By the program nft, as where system calls cannot be had. */
  readonly program?: true
}

export const backEnds: readonly BackEnd[] = [
  { name: 'nftables', mode: 'nftables', variant: 'nft' },
  { name: 'nftables by the program nft', mode: 'nftables', variant: 'nft', program: true },
  { name: 'iptables-nft', mode: 'iptables', variant: 'nft' },
  { name: 'iptables-legacy', mode: 'iptables', variant: 'legacy' },
]

export interface RunningProxy {
  stop(): Promise<void>
}

/** What the node of a packet world serves of each family, unless a test says otherwise. */
export const familyOn: Readonly<Record<AddressFamily, ProxyFamily>> = {
  IPv4: {
    family: 'IPv4',
    nodePortAddresses: [world.nodeAddress],
    podTraffic: { by: 'source', cidr: world.podCidr },
    serviceCidr: world.serviceCidr,
  },
  IPv6: {
    family: 'IPv6',
    nodePortAddresses: [world6.nodeAddress],
    podTraffic: { by: 'source', cidr: world6.podCidr },
    serviceCidr: world6.serviceCidr,
  },
}

/** For tests that are the same in both families: written in IPv4, with every address, range and object told by `twin`. */
export const families = [
  { family: 'IPv4', six: false, node: world.nodeAddress, twin: <T>(value: T): T => value },
  { family: 'IPv6', six: true, node: world6.nodeAddress, twin: inIpv6 },
] as const
export type TestedFamily = (typeof families)[number]

/** Every back end with every family, for `describe.each`. */
export const everyWay = families.flatMap((tested) =>
  backEnds.map((backEnd) => ({ way: `${backEnd.name}, ${tested.family}`, backEnd, tested })),
)

/** The proxy on the node of a packet world, and what is in that node's kernel. */
export class ProxyBed {
  readonly #packets: PacketWorld
  readonly backEnd: BackEnd

  constructor(packets: PacketWorld, backEnd: BackEnd) {
    this.#packets = packets
    this.backEnd = backEnd
  }

  get #nftables(): OpenNftables {
    if (this.backEnd.program) return () => openProgramKernel({ exec: this.#packets.nodeExec, clock: systemClock, pollMs: 300 })
    return openNftables({ exec: this.#packets.nodeExec, clock: systemClock, namespace: `/run/netns/${this.#packets.namespaceOf('host')}` })
  }

  get #conntrack(): Conntrack {
    const { nodeExec } = this.#packets
    if (this.backEnd.program) return programConntrack(nodeExec)
    return openConntrack({ exec: nodeExec, clock: systemClock, namespace: `/run/netns/${this.#packets.namespaceOf('host')}` })
  }

  async start(api: TableApi, more: Partial<ProxyOptions> = {}): Promise<RunningProxy> {
    const stopping = new AbortController()
    const proxy = await startProxy({
      client: api,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      exec: this.#packets.nodeExec,
      openNftables: this.#nftables,
      conntrack: this.#conntrack,
      signal: stopping.signal,
      nodeName: world.node,
      mode: this.backEnd.mode,
      families: [familyOn.IPv4],
      chainTag: '',
      checkIntervalMs: 500,
      ...this.#variant,
      ...more,
    })
    return {
      async stop() {
        stopping.abort()
        await proxy.stopped
      },
    }
  }

  async remove(chainTag = ''): Promise<void> {
    await removeProxyRules({ exec: this.#packets.nodeExec, openNftables: this.#nftables, chainTag, ...this.#variant })
  }

  /** In the mode nftables, rules of any kind of iptables may be left. */
  get #variant(): { variant?: 'nft' | 'legacy' } {
    return this.backEnd.mode === 'iptables' ? { variant: this.backEnd.variant } : {}
  }

  nft(input: string): Promise<string> {
    return mustRun(this.#packets.nodeExec, 'nft', ['-f', '-'], { input })
  }

  iptables(family: AddressFamily, ...args: string[]): Promise<string> {
    return mustRun(this.#packets.nodeExec, `${family === 'IPv4' ? 'iptables' : 'ip6tables'}-${this.backEnd.variant}`, args)
  }

  save6(): Promise<string> {
    return this.save('ip6tables')
  }

  /** Everybody's rules, in an order that means nothing; counters, dates and clients that are remembered apart. */
  async save(program: 'iptables' | 'ip6tables' = 'iptables'): Promise<string> {
    const { nodeExec } = this.#packets
    const saved = await mustRun(nodeExec, `${program}-${this.backEnd.variant}-save`, [])
    const ours = await this.ownTables()
    return [...saved.split('\n').filter((line) => !line.startsWith('#')), ours]
      .map((line) => line.replaceAll(/\[\d+:\d+\]/g, ''))
      .sort()
      .join('\n')
  }

  /** Tables of every ownkube, as lines in an order that means nothing; without clients that are remembered. */
  async ownTables(): Promise<string> {
    const { nodeExec } = this.#packets
    const names = (await mustRun(nodeExec, 'nft', ['list', 'tables'])).split('\n').filter((line) => line.includes('ownkube'))
    const lists = names.map((name) => mustRun(nodeExec, 'nft', ['list', ...name.trim().split(' ')]))
    return (await Promise.all(lists)).flatMap(plainLines).sort().join('\n')
  }
}

/** A line an element, with the name of its set; each rule with its chain. */
function plainLines(table: string): string[] {
  const lines: string[] = []
  let holder = ''
  const joined = table.replaceAll(/elements = \{([^}]*)\}/g, (_all, elements: string) => `elements ${elements.replaceAll(/\s+/g, ' ')}`)
  for (const line of joined.split('\n').map((each) => each.trim())) {
    const opened = /^(?:table|chain|map|set) (.*) \{$/.exec(line)
    if (opened) holder = opened[1] as string
    const elements = line.startsWith('elements ') ? line.slice(9).split(', ') : [line]
    for (const each of elements) if (!each.includes('expires')) lines.push(`${holder}: ${each.trim()}`)
  }
  return lines
}

/** On a busy machine a look for drift may wait for many seconds, as it waits fifty times as long as it takes. */
export async function eventually(what: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + 60_000
  while (!(await what())) {
    if (systemClock.monotonic() > deadline) throw new Error(`not so within 60 s: ${what}`)
    await systemClock.sleep(50)
  }
}
