import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { mustRun } from '../../src/host/exec.ts'
import { cases6, inIpv6, services6, slices6, world6 } from '../../src/proxy/testing/ipv6-scenes.ts'
import { type PodName, type Sender, service, slice, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { backEnds, eventually, familyOn, ProxyBed, type RunningProxy } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

/** The same cases as in IPv4, by every back end, and both families beside one another. */
describe.skipIf(!root).each(backEnds)('real IPv6 packets through $name', (backEnd) => {
  let packets: PacketWorld
  let bed: ProxyBed
  let proxy: RunningProxy | undefined
  const api = new TableApi()

  beforeAll(async () => {
    packets = await buildWorld()
    for (const object of [...services6, ...slices6]) api.put(object)
    const dual = service('dual', '10.96.0.200', [{}])
    dual.spec.clusterIPs = ['10.96.0.200', 'FD77:0:0:0:A:60:0:C8'] // written otherwise than the kernel does
    api.put(dual)
    api.put(slice('dual', ['a']))
    const six = inIpv6(slice('dual', ['b']))
    api.put({ ...six, metadata: { ...six.metadata, name: 'dual-six' } })
    bed = new ProxyBed(packets, backEnd)
    proxy = await bed.start(api, {
      families: [{ ...familyOn.IPv4, nodePortAddresses: [] }, familyOn.IPv6],
    })
  })
  afterAll(async () => {
    await proxy?.stop()
    await packets?.dismantle()
  })

  test.each(cases6)('$name', async ({ from, to, protocol = 'tcp', arrives, source }) => {
    if (arrives === 'rejected' || arrives === 'dropped' || arrives === 'nowhere') {
      const [answer] = await packets.ask(from, protocol, to, 1)
      if (arrives === 'nowhere') expect(['ECONNREFUSED', 'EHOSTUNREACH', 'timeout']).toContain(answer)
      else expect(answer).toBe(arrives === 'dropped' ? 'timeout' : 'ECONNREFUSED')
      return
    }
    const expected = Object.keys(arrives) as PodName[]
    const answers = await packets.ask(from, protocol, to, expected.length === 1 ? 3 : 40)
    expect(new Set(answers.map((answer) => answer.split('|')[0]))).toEqual(new Set(expected))
    for (const answer of answers) expect(sourceOf(answer, from), answer).toBe(from === 'host' ? 'host' : source)
  })

  test('a Service of both families is reached by both addresses', async () => {
    expect((await packets.ask('far', 'tcp', '10.96.0.200:80', 1))[0]).toBe(`a|${world.pods.far}`)
    expect((await packets.ask('far', 'tcp', '[fd77::a:60:0:c8]:80', 1))[0]).toBe(`b|${world6.pods.far}`)
  })

  test('UDP flows move away from an endpoint that is gone', async () => {
    const ask = async (): Promise<string> => {
      const [answer] = await packets.ask('far', 'udp', '[fd77::a:60:0:b]:53', 1, 40_002)
      return answer?.split('|')[0] as string
    }
    const pod = (await ask()) as 'a' | 'b'
    expect(await ask()).toBe(pod)
    const other = pod === 'a' ? 'b' : 'a'
    const ports = [
      { name: 'udp', protocol: 'UDP' },
      { name: 'tcp', port: 8081 },
    ]
    api.put(inIpv6(slice('dns', [other], ports)))
    await eventually(async () => (await ask()) === other)
  })

  test('what the kernel holds is what was written: a look for drift finds none, and puts back what others take', async () => {
    const before = await bed.save6()
    await systemClock.sleep(1_500)
    expect(await bed.save6()).toBe(before)
    if (backEnd.mode === 'nftables') await bed.nft('flush chain ip6 ownkube-proxy services')
    else await mustRun(packets.nodeExec, `ip6tables-${backEnd.variant}`, ['-t', 'nat', '-F', 'KUBE-SERVICES'])
    await eventually(async () => (await bed.save6()) === before)
  })

  test('removal takes both families', async () => {
    await proxy?.stop()
    await bed.remove()
    for (const saved of [await bed.save(), await bed.save6()]) expect(saved).not.toMatch(/KUBE-|ownkube/)
  })
})

function sourceOf(answer: string, from: Sender): 'own' | 'masqueraded' | 'host' | 'wrong' {
  const address = answer.split('|')[1]
  const ofNode = address === world6.nodeAddress
  if (from === 'host') return ofNode ? 'host' : 'wrong'
  return address === (from === 'outside' ? world6.outside : world6.pods[from]) ? 'own' : ofNode ? 'masqueraded' : 'wrong'
}
