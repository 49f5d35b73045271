import type { EndpointSlice, Service } from '../src/api/generated/types.ts'
import { systemClock } from '../src/host/clock.ts'
import { type Exec, mustRun, systemExec } from '../src/host/exec.ts'
import { silentLog } from '../src/host/log.ts'
import { openIptablesRules } from '../src/proxy/iptables/iptables-rules.ts'
import { ServiceTable } from '../src/proxy/service-table.ts'

const sizes = [100, 1000, 5000]
const endpointsEach = 5
const changes = 7

function serviceNumber(i: number): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `s${i}`, namespace: 'bench', uid: `s${i}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { type: 'ClusterIP', clusterIP: `10.96.${i >> 8}.${i & 255}`, ports: [{ port: 80, protocol: 'TCP' }] },
  }
}

/** `first` tells the generation of the first endpoint: another one is another pod. */
function sliceNumber(i: number, first: number): EndpointSlice {
  const addresses = Array.from({ length: endpointsEach }, (_, j) => `10.${128 + j + (j === 0 ? first * 10 : 0)}.${i >> 8}.${i & 255}`)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    metadata: { name: `s${i}`, namespace: 'bench', uid: `e${i}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number

interface Row {
  full: number
  change: number
  changeWorst: number
  add: number
  check: number
}

async function measure(exec: Exec, variant: 'nft' | 'legacy', size: number): Promise<Row> {
  const settings = {
    family: 'IPv4',
    podTraffic: { by: 'source', cidr: '10.128.0.0/9' },
    masqueradeAll: false,
    masqueradeBit: 14,
    nodePortAddresses: ['192.0.2.1'],
    localhostNodePorts: true,
    serviceCidr: undefined,
    tag: '',
  } as const
  const table = new ServiceTable({ node: { name: 'bench', zone: undefined }, family: 'IPv4' })
  const rules = await openIptablesRules({ ...settings, exec, variant, log: silentLog })
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const started = systemClock.monotonic()
    await work()
    return systemClock.monotonic() - started
  }
  const update = (i: number, first = 0): void =>
    rules.update(`bench/s${i}`, table.update(`bench/s${i}`, serviceNumber(i), [sliceNumber(i, first)]).ports)
  const full = await timed(async () => {
    for (let i = 0; i < size; i++) update(i)
    await rules.apply()
  })
  const each: number[] = []
  for (let n = 1; n <= changes; n++) {
    each.push(
      await timed(async () => {
        update((n * 37) % size, 1)
        await rules.apply()
      }),
    )
  }
  const add = await timed(async () => {
    update(size)
    await rules.apply()
  })
  const check = await timed(() => rules.repair())
  return { full, change: median(each), changeWorst: Math.max(...each), add, check }
}

/** Programs rules in a network namespace of its own; needs root. Times are wall milliseconds from the objects to the kernel. */
export async function run(): Promise<void> {
  const namespace = `okbench-${process.pid}`
  const exec: Exec = {
    run: (program, args, options) => systemExec.run('nsenter', [`--net=/run/netns/${namespace}`, program, ...args], options),
  }
  const header = ['iptables', 'Services', 'full load', '1 endpoint', '(worst)', '1 Service', 'drift check']
  console.log(`Service rules, ${endpointsEach} endpoints each, ms`)
  console.log(header.map((text) => text.padStart(12)).join(''))
  for (const variant of ['nft', 'legacy'] as const) {
    for (const size of sizes) {
      await mustRun(systemExec, 'ip', ['netns', 'add', namespace])
      try {
        const row = await measure(exec, variant, size)
        const cells = [row.full, row.change, row.changeWorst, row.add, row.check].map((ms) => ms.toFixed(ms < 100 ? 1 : 0))
        console.log([variant, String(size), ...cells].map((text) => text.padStart(12)).join(''))
      } finally {
        await mustRun(systemExec, 'ip', ['netns', 'del', namespace])
      }
    }
  }
}
