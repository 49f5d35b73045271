/** Runs in the node's namespace: what each back end takes to load Services and to change one. */
import { readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { table } from '../../src/cli/table.ts'
import { mustRun, systemExec } from '../../src/host/exec.ts'
import { listFlags } from '../flags.ts'
import { digits, median, monotonicMs, percentile } from '../statistics.ts'
import { type BackEnd, backEnds, chosenBackEnds } from './back-ends.ts'
import { bundled, HelperProcess } from './helper-process.ts'
import { PodCgroup } from './pod-cgroup.ts'
import type { Answered, ProbeFor } from './probe-process.ts'
import type { Loaded, ProxyProcessOptions, Synced } from './proxy-process.ts'
import { ServiceCluster } from './service-cluster.ts'

interface Change {
  /** From the event to the rules in the kernel. */
  readonly rule: number[]
  /** The same without waiting for a processor. */
  readonly ruleRunning: number[]
  /** From the API write to the first packet answered. */
  readonly packet: number[]
}

interface Row {
  readonly backEnd: BackEnd
  readonly size: number
  readonly load: Loaded | undefined
  readonly memory: Memory
  readonly replaced: Change
  readonly added: Change
}

/** As many changes as fit into this, but at least a few. */
const changesForMs = 2_500
const changes = { least: 5, most: 300 }
const restMs = 1_500
/** As agents and `ownkube proxy` are run. */
const nodeFlags = ['--max-semi-space-size=2', '--heap-growing-percent=50']
const patienceMs = 200_000

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Memory {
  /** MiB; `shared`: what it shares with others counts by share (PSS), as it does for Node's own program where several run. */
  readonly resident: number
  readonly shared: number
}

function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1024
  return { resident: mib('Rss'), shared: mib('Pss') }
}

/** All rules of the bed's node go. The bed's: never of whatever namespace this was started in by mistake. */
async function clearRules(node: string): Promise<void> {
  if (statSync(node).ino !== statSync('/proc/self/ns/net').ino) throw new Error(`not in ${node}: rules stay as they are`)
  await mustRun(systemExec, 'nft', ['flush', 'ruleset'], { timeoutMs: patienceMs })
  for (const name of ['nat', 'filter']) {
    for (const how of ['-F', '-X']) await mustRun(systemExec, 'iptables-legacy', ['-t', name, how], { timeoutMs: patienceMs })
  }
}

interface Bench {
  readonly node: string
  readonly cluster: ServiceCluster
  readonly probe: HelperProcess
  readonly proxyScript: string
}

/** One change after the other, each when the last one's packet has been answered. */
async function repeat(bench: Bench, proxy: HelperProcess, one: () => Promise<number>): Promise<Change> {
  const result: Change = { rule: [], ruleRunning: [], packet: [] }
  const began = monotonicMs()
  while (result.rule.length < changes.least || (result.rule.length < changes.most && monotonicMs() - began < changesForMs)) {
    proxy.forget()
    const wroteMs = await one()
    const { ms, waitedMs } = await proxy.next<Synced>(patienceMs)
    const { atMs } = await bench.probe.next<Answered>(patienceMs)
    result.rule.push(ms)
    result.ruleRunning.push(ms - waitedMs)
    result.packet.push(atMs - wroteMs)
  }
  return result
}

async function measure(bench: Bench, backEnd: BackEnd, size: number): Promise<Row> {
  const { cluster, probe } = bench
  const whole = size <= (backEnd.loadsUpTo ?? Number.POSITIVE_INFINITY)
  const cgroup = backEnd.sockets ? await PodCgroup.make() : undefined
  cgroup?.take(probe.pid)
  const options: ProxyProcessOptions = { api: cluster.api, backEnd, whole, cgroupPath: cgroup?.path }
  const proxy = HelperProcess.start(bench.proxyScript, options, { nodeFlags })
  try {
    const load = await proxy.next<Loaded>(patienceMs)
    await wait(restMs)
    const memory = memoryOf(proxy.pid)
    let n = 0
    const replaced = await repeat(bench, proxy, async () => {
      const { clusterIp, address, write } = cluster.replaceEndpoint((n++ * 37) % size)
      probe.send({ clusterIp, address } satisfies ProbeFor)
      await wait(3)
      const wroteMs = monotonicMs()
      await write()
      return wroteMs
    })
    const added = await repeat(bench, proxy, async () => {
      const { clusterIp, write } = await cluster.addService()
      probe.send({ clusterIp } satisfies ProbeFor)
      await wait(3)
      const wroteMs = monotonicMs()
      await write()
      return wroteMs
    })
    return { backEnd, size, load: whole ? load : undefined, memory, replaced, added }
  } finally {
    await proxy.stop()
    cgroup?.remove([probe.pid])
    await clearRules(bench.node)
  }
}

const cell = (values: readonly number[]): string[] => [digits(median(values)), digits(percentile(values, 0.99)), String(values.length)]

function print(rows: readonly Row[]): void {
  const head = ['BACK END', 'SERVICES', 'LOAD', 'FROM START', 'RSS MiB', 'PSS MiB']
  const loads = rows.map(({ backEnd, size, load, memory }) => [
    backEnd.name,
    String(size),
    load ? digits(load.loadMs) : backEnd.loadsUpTo === 0 ? '-' : 'minutes',
    load ? digits(load.sinceStartMs) : '-',
    ...(backEnd.by === 'ownkube' ? [digits(memory.resident), digits(memory.shared)] : ['-', '-']),
  ])
  console.log(`\nFull load, ms\n\n${table(head, loads)}`)
  for (const [title, of] of [
    ['One endpoint replaced, ms', 'replaced'],
    ['One Service added, ms', 'added'],
  ] as const) {
    const lines = rows.map((row) => {
      const { rule, ruleRunning, packet } = row[of]
      const ours = rows.find(({ backEnd, size }) => backEnd.name === reference && size === row.size)
      const ratio = ours ? `${digits(median(rule) / median(ours[of].rule))} x` : '-'
      return [row.backEnd.name, String(row.size), ...cell(rule), digits(percentile(ruleRunning, 0.99)), ratio, ...cell(packet).slice(0, 2)]
    })
    const columns = ['BACK END', 'SERVICES', 'EVENT TO RULE', 'P99', 'OF', 'P99 RUNNING', 'RATIO', 'WRITE TO PACKET', 'P99']
    console.log(`${title}\n\n${table(columns, lines)}`)
  }
}

const [bed, ...flags] = process.argv.slice(2) as [string, ...string[]]
const { node, client, server } = JSON.parse(bed) as Record<'node' | 'client' | 'server', string>
const { sizes, 'back-ends': names } = listFlags(flags, {
  sizes: '100,1000,5000,10000,30000',
  'back-ends': backEnds.map(({ name }) => name).join(','),
})
const chosen = chosenBackEnds(names)
/** What the others' changes are compared with. */
const reference = chosen[0]?.name
const script = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
const cluster = await ServiceCluster.start()
const echo = HelperProcess.start(script('echo-process'), {}, { namespace: server })
const probe = HelperProcess.start(script('probe-process'), {}, { namespace: client })
const rows: Row[] = []
try {
  await Promise.all([echo.next(10_000), probe.next(10_000)])
  const bench: Bench = { node, cluster, probe, proxyScript: await bundled(script('proxy-process')) }
  for (const size of sizes.map(Number)) {
    await cluster.growTo(size)
    for (const backEnd of chosen) {
      if (cluster.size > (backEnd.upTo ?? Number.POSITIVE_INFINITY) * 1.2) continue
      console.error(`${backEnd.name}, ${size} Services`)
      rows.push(await measure(bench, backEnd, size))
    }
  }
  print(rows)
} finally {
  await Promise.all([echo.stop(), probe.stop()])
  await cluster.close()
}
