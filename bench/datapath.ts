import { fileURLToPath } from 'node:url'
import { table } from '../src/cli/table.ts'
import { mustRun, systemExec } from '../src/host/exec.ts'
import { listFlags } from './flags.ts'
import { type BackEnd, backEnds, chosenBackEnds } from './network/back-ends.ts'
import type { Burst, BurstResult } from './network/burst-process.ts'
import { HelperProcess } from './network/helper-process.ts'
import type { LoaderOptions } from './network/loader-process.ts'
import { buildPacketBed, type PacketBed, plan } from './network/packet-bed.ts'
import { PodCgroup } from './network/pod-cgroup.ts'
import { bulkPort, clusterIp, firstEndpoint } from './network/service-objects.ts'
import { digits, median } from './statistics.ts'

type What = 'connect' | 'past' | 'bulk'
const rounds: Record<What, number> = { connect: 100, past: 100, bulk: 10 }
const burstMs: Record<What, number> = { connect: 30, past: 20, bulk: 150 }
/** Spread over all Services: the rules of one alone would stay in the processor's cache. */
const targetsEach = 100
const patienceMs = 120_000
const servicePort = 80
const podPort = 8080

/** One row: a bed whose node holds some rules, and where its client sends to. */
interface Way {
  readonly name: string
  /** Undefined: no Services. */
  readonly size: number | undefined
  readonly bed: PacketBed
  /** Who sends. */
  readonly client: HelperProcess
  readonly cgroup: PodCgroup | undefined
  readonly helpers: HelperProcess[]
  readonly results: Record<What, BurstResult[]>
  /** `past`: straight to the pods, past the rules that are there for others. */
  readonly targets: Record<What, readonly string[]>
}

const script = (name: string): string => fileURLToPath(new URL(`./network/${name}.ts`, import.meta.url))
const spread = (size: number, each: (i: number) => string): string[] =>
  Array.from({ length: Math.min(targetsEach, size) }, (_, i) => each(Math.floor((i * size) / Math.min(targetsEach, size))))

/** As on any node: connections are tracked, and some are translated. */
const trackConnections = `
add table ip track
add chain ip track forward { type filter hook forward priority 0 ; }
add rule ip track forward ct state established,related accept
add chain ip track postrouting { type nat hook postrouting priority 100 ; }
add rule ip track postrouting ip saddr 10.250.0.0/24 ip daddr != 10.128.0.0/9 masquerade
`

/** What any translation costs: one rule, and nothing to look up. */
const translateAll = `
add chain ip track prerouting { type nat hook prerouting priority -100 ; }
add rule ip track prerouting ip daddr ${plan.serviceCidr} dnat to ${firstEndpoint(0, 0)}
`

/** Rules to compare with, and where to send then. */
interface Plain {
  readonly rules: string
  readonly targets: (what: What, pods: readonly string[]) => readonly string[]
}

const toPods: Plain['targets'] = (what, pods) => (what === 'bulk' ? [`${firstEndpoint(0, 0)}:${bulkPort}`] : pods)
const plains = {
  untracked: { rules: '', targets: toPods },
  tracked: { rules: trackConnections, targets: toPods },
  bare: {
    rules: trackConnections + translateAll,
    targets: (what, pods) =>
      what === 'past' ? pods : what === 'bulk' ? [`${clusterIp(0)}:${bulkPort}`] : pods.map((_, i) => `${clusterIp(i)}:${podPort}`),
  },
} satisfies Record<string, Plain>

async function open(tag: string, name: string, size: number, backEnd: BackEnd | Plain): Promise<Way> {
  const bed = await buildPacketBed(tag)
  const cgroup = 'sockets' in backEnd && backEnd.sockets ? await PodCgroup.make(tag) : undefined
  const client = HelperProcess.start(script('burst-process'), {})
  const way = {
    name,
    size: 'rules' in backEnd ? undefined : size,
    bed,
    client,
    cgroup,
    helpers: [client],
    results: { connect: [], past: [], bulk: [] },
  }
  const pods = spread(size, (i) => `${firstEndpoint(i, 0)}:${podPort}`)
  try {
    await client.next(patienceMs)
    cgroup?.take(client.pid)
    const echo = HelperProcess.start(script('echo-process'), {}, { namespace: bed.path('server') })
    way.helpers.push(echo)
    await echo.next(patienceMs)
    if ('rules' in backEnd) {
      const { rules, targets } = backEnd
      await mustRun(systemExec, 'nsenter', [`--net=${bed.path('node')}`, 'nft', '-f', '-'], { input: rules })
      return { ...way, targets: { connect: targets('connect', pods), past: targets('past', pods), bulk: targets('bulk', pods) } }
    }
    const options: LoaderOptions = { backEnd, size, cgroupPath: cgroup?.path }
    const loader = HelperProcess.start(script('loader-process'), options, { namespace: bed.path('node') })
    way.helpers.push(loader)
    await loader.next(patienceMs)
    const addresses = spread(size, (i) => `${clusterIp(i)}:${servicePort}`)
    return { ...way, targets: { connect: addresses, past: pods, bulk: [`${clusterIp(size)}:${servicePort}`] } }
  } catch (error) {
    await close(way)
    throw error
  }
}

async function close({ helpers, bed, cgroup }: Pick<Way, 'helpers' | 'bed' | 'cgroup'>): Promise<void> {
  for (const helper of helpers) await helper.stop()
  cgroup?.remove()
  await bed.dismantle()
}

/** In turn, beginning elsewhere each time, so that whatever else the machine does meets all rows alike. */
async function measure(ways: readonly Way[], what: What): Promise<void> {
  for (let round = 0; round < rounds[what]; round++) {
    for (let i = 0; i < ways.length; i++) {
      const { client, bed, targets, results } = ways[(i + round) % ways.length] as Way
      client.send({
        namespace: bed.path('client'),
        targets: targets[what],
        ms: burstMs[what],
        what: what === 'bulk' ? 'bulk' : 'connect',
      } satisfies Burst)
      results[what].push(await client.next<BurstResult>(patienceMs))
    }
  }
}

function print(ways: readonly Way[]): void {
  const reference = ways.find(({ name }) => name === tracked) as Way
  const ratio = ({ results }: Way, what: What): string =>
    median(results[what].map(({ perSecond }, round) => perSecond / (reference.results[what][round] as BurstResult).perSecond)).toFixed(3)
  const middle = ({ results }: Way, what: What, of: keyof BurstResult): string => digits(median(results[what].map((result) => result[of])))
  const lines = ways.map((way) => [
    way.name,
    way.size === undefined ? '' : String(way.size),
    middle(way, 'connect', 'perSecond'),
    ratio(way, 'connect'),
    middle(way, 'connect', 'p50'),
    middle(way, 'connect', 'p99'),
    ratio(way, 'past'),
    middle(way, 'bulk', 'perSecond'),
    ratio(way, 'bulk'),
  ])
  const head = ['WAY', 'SERVICES', 'CONNECTIONS/S', 'RATIO', 'P50 µs', 'P99 µs', 'PAST THE RULES', 'MiB/S', 'RATIO']
  console.log(`New connections and throughput from a pod; ratios to '${tracked}', medians of ${rounds.connect} and ${rounds.bulk} rounds\n`)
  console.log(table(head, lines))
}

const tracked = 'to the pod, with conntrack'

/**
 * What a packet's way through a ClusterIP costs, beside the way straight to the pod; needs root.
 * `--sizes 100,10000`, `--back-ends 'ownkube nftables'`.
 */
export async function run(flags: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('this bench makes network namespaces and needs root')
  // By whatever road the rules came, packets meet the same.
  const layouts = backEnds.filter(({ netlink }) => !netlink)
  const { sizes, 'back-ends': names } = listFlags(flags, { sizes: '100,10000', 'back-ends': layouts.map(({ name }) => name).join(',') })
  const ways: Way[] = []
  try {
    ways.push(await open('u', 'to the pod, without conntrack', 10_000, plains.untracked))
    ways.push(await open('t', tracked, 10_000, plains.tracked))
    ways.push(await open('b', 'one bare rule of DNAT', 10_000, plains.bare))
    for (const backEnd of chosenBackEnds(names)) {
      for (const size of sizes.map(Number)) {
        if (size > (backEnd.upTo ?? Number.POSITIVE_INFINITY)) continue
        console.error(`${backEnd.name}, ${size} Services`)
        ways.push(await open(String(ways.length), backEnd.name, size, backEnd))
      }
    }
    for (const what of ['connect', 'past', 'bulk'] as const) await measure(ways, what)
    print(ways)
  } finally {
    for (const way of ways) await close(way)
  }
}
