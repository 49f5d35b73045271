import { createRequire } from 'node:module'
import { mustRun, systemExec } from '../src/host/exec.ts'
import { type Libc, loadLibc } from '../src/host/libc.ts'
import { openNetlinkKernel } from '../src/netfilter/nftables/netlink-kernel.ts'
import type { Element, NftSet, Table } from '../src/netfilter/nftables/ruleset.ts'
import { removeTable, replaceTable, type Transaction } from '../src/netfilter/nftables/transaction.ts'
import { transactionText } from '../src/netfilter/nftables/transaction-text.ts'
import { keyOf } from '../src/netfilter/nftables/values.ts'
import { listFlags } from './flags.ts'
import { digits, median, monotonicMs, percentile } from './statistics.ts'

const endpoints: NftSet = {
  name: 'endpoints',
  key: ['ipv4_addr', 'inet_proto', 'inet_service', 'index'],
  data: ['ipv4_addr', 'inet_service'],
}
const table: Table = { family: 'ip', name: 'bench', sets: [endpoints], chains: [] }
const endpointsEach = 5

/** Three ways into nftables, with the same changes to one map of endpoints; needs root. `--sizes 100,10000`, `--ways netlink`. */
export async function run(flags: readonly string[]): Promise<void> {
  const { sizes, ways } = listFlags(flags, { sizes: '100,1000,10000,30000', ways: 'netlink,libnftables,nft' })
  const libc = loadLibc((reason) => {
    throw new Error(reason)
  }) as Libc
  const name = `okk-bench-${process.pid}`
  await mustRun(systemExec, 'ip', ['netns', 'add', name])
  try {
    console.log('way          Services  full load ms  one endpoint, median us  p99 us')
    for (const size of sizes.map(Number)) for (const way of ways) await measure(libc, `/run/netns/${name}`, size, way)
  } finally {
    await mustRun(systemExec, 'ip', ['netns', 'del', name])
  }
}

async function measure(libc: Libc, namespace: string, size: number, way: string): Promise<void> {
  const all = Array.from({ length: size * endpointsEach }, (_, index) => elementOf(index, '10.200'))
  const apply = wayOf(way, libc, namespace)
  const loadMs = await timed(() => apply(replaceTable(table, () => all)))
  const times: number[] = []
  for (let round = 0; round < (way === 'nft' ? 30 : 500); round++) {
    const old = all[(round * 37) % all.length] as Element
    const changed = { ...old, data: keyOf(['ipv4_addr', 'inet_service'], `10.201.${round >> 8}.${round & 255}`, 80) }
    const changes: Transaction['changes'] = [
      { kind: 'delete elements', set: endpoints, elements: [old] },
      { kind: 'add elements', set: endpoints, elements: [changed] },
    ]
    times.push(1000 * (await timed(() => apply({ table, changes }))))
  }
  const kernel = openNetlinkKernel(libc, { namespace })
  await kernel.apply(removeTable('ip', 'bench'))
  kernel.close()
  const columns = [digits(loadMs).padStart(12), digits(median(times)).padStart(23), digits(percentile(times, 0.99)).padStart(6)]
  console.log(`${way.padEnd(12)} ${String(size).padStart(8)}  ${columns.join('  ')}`)
}

function elementOf(index: number, pods: string): Element {
  const service = Math.floor(index / endpointsEach)
  const address = `10.${96 + (service >> 16)}.${(service >> 8) & 255}.${service & 255}`
  const pod = `${pods}.${(index >> 8) & 255}.${index & 255}`
  return {
    key: keyOf(endpoints.key, address, 'tcp', 80, index % endpointsEach),
    data: keyOf(['ipv4_addr', 'inet_service'], pod, 8080 + (index >> 16)),
  }
}

async function timed(run: () => unknown): Promise<number> {
  const start = monotonicMs()
  await run()
  return monotonicMs() - start
}

function wayOf(way: string, libc: Libc, namespace: string): (transaction: Transaction) => Promise<void> | void {
  if (way === 'netlink') {
    const kernel = openNetlinkKernel(libc, { namespace })
    return (transaction) => kernel.apply(transaction)
  }
  if (way === 'libnftables') return libnftables(libc, namespace)
  return async (transaction) => {
    const { code, stderr } = await systemExec.run('nsenter', [`--net=${namespace}`, 'nft', '-f', '-'], {
      input: transactionText(transaction),
    })
    if (code !== 0) throw new Error(stderr)
  }
}

/** The library behind the program nft, in this process. */
function libnftables(libc: Libc, namespace: string): (transaction: Transaction) => void {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load('libnftables.so.1')
  const runText = library.func('nft_run_cmd_from_buffer', 'int', ['void *', 'str'])
  const context: unknown = libc.inNetworkNamespace(namespace, () => library.func('nft_ctx_new', 'void *', ['uint32_t'])(0))
  library.func('nft_ctx_buffer_error', 'int', ['void *'])(context)
  return (transaction) => {
    const text = transactionText(transaction)
    const result = libc.inNetworkNamespace(namespace, () => runText(context, text) as number)
    if (result !== 0) throw new Error(`libnftables ended with ${result}`)
  }
}
