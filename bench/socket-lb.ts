import { readdirSync, readFileSync } from 'node:fs'
import { openSocketBalancer, removeSocketBalancing, type SocketBalancer } from '../src/bpf/socket-balancer.ts'
import type { BalancedPort } from '../src/bpf/socket-table.ts'
import { table } from '../src/cli/table.ts'
import { silentLog } from '../src/host/log.ts'
import { listFlags } from './flags.ts'
import { PodCgroup } from './network/pod-cgroup.ts'
import { clusterIp, firstEndpoint, sliceOf } from './network/service-objects.ts'
import { digits, median, monotonicMs, percentile } from './statistics.ts'

/** Socket-level balancing: what changes of its maps cost. `--sizes 100,1000`. What connections cost is in the bench datapath. */
export async function run(flags: readonly string[]): Promise<void> {
  const { sizes } = listFlags(flags, { sizes: '100,1000,10000,30000' })
  const cgroup = await PodCgroup.make('maps')
  try {
    const rows = sizes.map((size) => mapCosts(cgroup.path, Number(size)))
    console.log('Maps of sockets: 5 endpoints a Service; milliseconds for all, microseconds for one\n')
    const head = ['SERVICES', 'FULL LOAD ms', 'TAKEN OVER ms', 'ENDPOINT REPLACED p50 µs', 'p99', 'SERVICE ADDED p50 µs', 'p99', 'MAPS MiB']
    console.log(table(head, rows))
  } finally {
    cgroup.remove()
  }
}

/** The Services of the benches as sockets have them. */
function balancedPortOf(i: number, generation = 0): BalancedPort {
  const { endpoints = [] } = sliceOf(i, firstEndpoint(i, generation))
  return {
    name: 'http',
    protocol: 'tcp',
    frontends: [{ address: clusterIp(i), port: 80 }],
    endpoints: (endpoints ?? []).map(({ addresses: [address = ''] }) => ({ address, port: 8080 })),
    affinitySeconds: undefined,
  }
}

function open(cgroupPath: string): SocketBalancer {
  const opened = openSocketBalancer({ cgroupPath, log: silentLog })
  if ('unavailable' in opened) throw new Error(opened.unavailable)
  return opened
}

function timed(work: () => void): number {
  const before = monotonicMs()
  work()
  return monotonicMs() - before
}

function mapCosts(cgroupPath: string, size: number): string[] {
  const ports = Array.from({ length: size }, (_, i) => balancedPortOf(i))
  let balancer: SocketBalancer = open(cgroupPath)
  const load = (): void => {
    ports.forEach((port, i) => {
      balancer.update(`bench/${i}`, [port])
    })
    balancer.start()
  }
  const full = timed(load)
  balancer.close()
  const takenOver = timed(() => {
    balancer = open(cgroupPath)
    load()
  })
  const samples = Array.from({ length: Math.min(size, 500) }, (_, i) => ({
    i,
    replaced: balancedPortOf(i, 1),
    added: balancedPortOf(size + i),
  }))
  const replaced = samples.map(({ i, replaced }) => 1000 * timed(() => balancer.update(`bench/${i}`, [replaced])))
  const added = samples.map(({ i, added }) => 1000 * timed(() => balancer.update(`bench/${size + i}`, [added])))
  const memory = memoryOfMaps()
  balancer.close()
  removeSocketBalancing(cgroupPath)
  const two = (times: readonly number[]): string[] => [digits(median(times)), digits(percentile(times, 0.99))]
  return [String(size), digits(full), digits(takenOver), ...two(replaced), ...two(added), digits(memory / 2 ** 20)]
}

/** Bytes, as the kernel tells them of each open map. */
function memoryOfMaps(): number {
  const maps = new Map<string, number>()
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
      const id = /^map_id:\s*(\d+)/m.exec(text)?.[1]
      if (id !== undefined) maps.set(id, Number(/^memlock:\s*(\d+)/m.exec(text)?.[1] ?? 0))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // the one that the list itself was read by
    }
  }
  return [...maps.values()].reduce((sum, bytes) => sum + bytes, 0)
}
