import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import type { Conntrack, Flow } from '../../src/netfilter/conntrack/conntrack.ts'
import { openConntrack } from '../../src/netfilter/conntrack/open-conntrack.ts'
import { openNftables } from '../../src/netfilter/nftables/open-nftables.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { cases, type PodName, service, services, slice, slices, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { eventually } from './harness/command.ts'
import { familyOn } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld } from './proxy-world.ts'
import { unifiedRoot } from './socket-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: socket balancing needs root')

/** The cases that rules are tried with, from pods whose sockets are balanced: whoever answers must be the same. */
describe.skipIf(!root)('pods with balanced sockets, rules beneath', () => {
  const cgroup = join(unifiedRoot(), `ownkube-test-scenes-${process.pid}`)
  const api = new TableApi()
  let packets: PacketWorld
  let stop: () => Promise<void> = async () => undefined

  const conntrack = (): Conntrack =>
    openConntrack({ exec: packets.nodeExec, clock: systemClock, namespace: `/run/netns/${packets.namespaceOf('host')}` })
  const start = async (): Promise<void> => {
    const stopping = new AbortController()
    const proxy = await startProxy({
      client: api,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      exec: packets.nodeExec,
      signal: stopping.signal,
      nodeName: world.node,
      mode: 'nftables',
      openNftables: openNftables({ exec: packets.nodeExec, clock: systemClock, namespace: `/run/netns/${packets.namespaceOf('host')}` }),
      conntrack: conntrack(),
      families: [familyOn.IPv4],
      chainTag: '',
      socketBalancing: { cgroupPath: cgroup },
    })
    stop = async () => {
      stopping.abort()
      await proxy.stopped
    }
  }
  const ask = (from: PodName, to: string, times: number, protocol = 'tcp') => packets.ask(from, protocol, to, times, undefined, cgroup)
  const who = (answers: readonly string[]): Set<string> => new Set(answers.map((answer) => answer.split('|')[0] as string))

  beforeAll(async () => {
    mkdirSync(cgroup)
    packets = await buildWorld()
    for (const object of [...services, ...slices]) api.put(object)
    await start()
  })
  afterAll(async () => {
    await stop()
    await packets?.dismantle()
    rmdirSync(cgroup)
  })

  const fromPods = cases.filter(({ from }) => from !== 'host' && from !== 'outside')
  test.each(fromPods)('$name', async ({ from, to, protocol = 'tcp', arrives }) => {
    const pod = from as PodName
    if (typeof arrives === 'string') {
      expect(await ask(pod, to, 1, protocol)).toEqual([arrives === 'dropped' ? 'timeout' : 'ECONNREFUSED'])
      return
    }
    const expected = Object.keys(arrives)
    const answers = await ask(pod, to, expected.length === 1 ? 3 : 40, protocol)
    expect(who(answers)).toEqual(new Set(expected))
    // Nothing is masqueraded: neither a hairpin nor what goes to a node port.
    for (const answer of answers) expect(answer.split('|')[1]).toBe(world.pods[pod])
  })

  test('connection tracking has no entry for a Service', async () => {
    await ask('far', '10.96.0.10:80', 20)
    const flows: Flow[] = []
    await conntrack().look({ family: 'IPv4' }, (flow) => flow.address === '10.96.0.10' && flows.push(flow))
    expect(flows).toEqual([])
  })

  test('session affinity keeps to one endpoint, over a restart of the proxy too', async () => {
    const before = who(await ask('far', '10.96.0.17:80', 10))
    expect(before.size).toBe(1)
    await stop()
    expect(who(await ask('far', '10.96.0.17:80', 10))).toEqual(before)
    await start()
    expect(who(await ask('far', '10.96.0.17:80', 10))).toEqual(before)
  })

  test('a Service comes, changes its endpoints and goes', async () => {
    const late = service('late', '10.96.0.99', [{}])
    const becomes = (answer: string | RegExp): Promise<void> =>
      eventually(async () => expect((await ask('far', '10.96.0.99:80', 1))[0]).toMatch(answer))
    api.put(late)
    await becomes('ECONNREFUSED')
    api.put(slice('late', ['b']))
    await becomes(/^b\|/)
    api.put(slice('late', ['c']))
    await becomes(/^c\|/)
    api.remove(late)
    await becomes('ECONNREFUSED')
  })
})
