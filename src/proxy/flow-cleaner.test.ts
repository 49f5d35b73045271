import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { programConntrack } from '../netfilter/conntrack/program-conntrack.ts'
import { type FakeFlow, FakeKernel } from '../netfilter/fake-kernel.ts'
import { startProxy } from './proxy.ts'
import { endpoint, service, slice, world } from './testing/scenes.ts'
import { TableApi } from './testing/table-api.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function serving(kernel: FakeKernel, api: TableApi, exec: Exec = kernel): Promise<void> {
  const stopping = new AbortController()
  const proxy = await startProxy({
    client: api,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    exec,
    signal: stopping.signal,
    nodeName: world.node,
    mode: 'iptables',
    openNftables: () => undefined,
    conntrack: programConntrack(exec),
    families: [
      {
        family: 'IPv4',
        nodePortAddresses: [world.nodeAddress],
        podTraffic: { by: 'source', cidr: world.podCidr },
        serviceCidr: world.serviceCidr,
      },
    ],
    chainTag: '',
    checkIntervalMs: 100,
  })
  stops.push(async () => {
    stopping.abort()
    await proxy.stopped
  })
}

const udp = [{ protocol: 'UDP' }]
const dns = service('dns', '10.96.0.11', [{ port: 53, protocol: 'UDP' }])
const flowTo = (replySource: string, destination = '10.96.0.11'): FakeFlow => ({
  ...{ source: world.pods.far, destination, port: 53 },
  ...{ replySource, replyPort: replySource === destination ? 53 : 8080 },
})
const until = async (holds: () => boolean): Promise<void> => {
  await expect.poll(holds, { interval: 5, timeout: 3000 }).toBe(true)
}
/** Until a look that begins now is over, whatever it finds: one for a flow that is certainly stale. */
async function looked(kernel: FakeKernel, api: TableApi): Promise<void> {
  const probe = service('probe', '10.96.0.250', [{ port: 53, protocol: 'UDP' }])
  const stale = flowTo(world.pods.a, '10.96.0.250')
  api.put(probe)
  api.put(slice('probe', ['a'], udp))
  await until(() => kernel.save().includes('test/probe ->'))
  kernel.flows.push(stale)
  api.put(slice('probe', ['b'], udp))
  await until(() => !kernel.flows.includes(stale))
}

test('a listing that takes for ever holds up no rule (kubernetes#135323)', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  let listing = false
  let finish = (): void => undefined
  const slow: Exec = {
    async run(program, args, options) {
      if (program === 'conntrack' && !listing) {
        listing = true
        await new Promise<void>((resolve) => (finish = resolve))
      }
      return await kernel.run(program, args, options)
    },
  }
  api.put(dns)
  api.put(slice('dns', ['a'], udp))
  await serving(kernel, api, slow)
  await until(() => listing)
  kernel.flows = [flowTo(world.pods.a)]
  api.put(slice('dns', ['b'], udp))
  await until(() => kernel.save().includes(`to-destination ${world.pods.b}:8080`))
  expect(kernel.flows).toHaveLength(1)
  finish()
  await until(() => kernel.flows.length === 0)
})

test('flows of a Service that is deleted go, also when that happened while no proxy ran (kubernetes#141371)', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  const [ofDeleted, foreign, untranslated] = [
    flowTo(world.pods.b, '10.96.7.7'),
    flowTo(world.pods.b, '192.0.2.9'),
    flowTo('10.96.7.8', '10.96.7.8'),
  ]
  api.put(dns)
  api.put(slice('dns', ['a'], udp))
  const good = flowTo(world.pods.a)
  kernel.flows = [ofDeleted, foreign, untranslated, good]
  await serving(kernel, api)
  await until(() => !kernel.flows.includes(ofDeleted))
  expect(kernel.flows).toEqual([foreign, untranslated, good])
  api.remove(dns)
  await until(() => !kernel.flows.includes(good))
  expect(kernel.flows).toEqual([foreign, untranslated])
})

test('flows to an endpoint that ends but still serves go on; once it serves no more they move', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  api.put(dns)
  api.put(slice('dns', ['a', 'b'], udp))
  await serving(kernel, api)
  const flow = flowTo(world.pods.a)
  kernel.flows = [flow]
  api.put(slice('dns', [endpoint('a', { ready: false, serving: true, terminating: true }), 'b'], udp))
  await looked(kernel, api)
  expect(kernel.flows).toEqual([flow])
  api.put(slice('dns', [endpoint('a', { ready: false, serving: false, terminating: true }), 'b'], udp))
  await until(() => kernel.flows.length === 0)
})

test('the last endpoint goes: its flows are forgotten, so that the client is told; later ones find the next (kubernetes#139628)', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  api.put(dns)
  api.put(slice('dns', ['a'], udp))
  await serving(kernel, api)
  kernel.flows = [flowTo(world.pods.a)]
  api.put(slice('dns', [], udp))
  await until(() => kernel.flows.length === 0)
  // One that began while there was nobody.
  kernel.flows = [flowTo('10.96.0.11')]
  api.put(slice('dns', ['b'], udp))
  await until(() => kernel.flows.length === 0)
})

test('flows that began while others had taken the rules away are forgotten once these are back', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  api.put(dns)
  api.put(slice('dns', ['a'], udp))
  await serving(kernel, api)
  await looked(kernel, api)
  const good = flowTo(world.pods.a)
  kernel.flows = [flowTo('10.96.0.11'), good]
  await kernel.run('iptables-restore', ['--noflush'], { input: '*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n' })
  await until(() => kernel.flows.length === 1)
  expect(kernel.flows).toEqual([good])
})

test('where the program fails, rules are right all the same, and flows are looked for again', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  let failures = 1
  const failing: Exec = {
    run: (program, args, options) =>
      program === 'conntrack' && failures-- > 0
        ? Promise.resolve({ code: 1, stdout: '', stderr: 'out of memory' })
        : kernel.run(program, args, options),
  }
  kernel.flows = [flowTo(world.pods.b)]
  api.put(dns)
  api.put(slice('dns', ['a'], udp))
  await serving(kernel, api, failing)
  expect(kernel.save()).toContain(world.pods.a)
  await expect.poll(() => kernel.flows.length, { interval: 20, timeout: 10_000 }).toBe(0)
})
