import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mustRun } from '../../src/host/exec.ts'
import { cases, type PodName, type Sender, service, services, slice, slices, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { backEnds, eventually, ProxyBed, type RunningProxy } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld, podGateway } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

describe.skipIf(!root).each(backEnds)('real packets through $name', (backEnd) => {
  let packets: PacketWorld
  let bed: ProxyBed
  let api: TableApi
  let running: RunningProxy
  let before = ''

  beforeAll(async () => {
    packets = await buildWorld()
    bed = new ProxyBed(packets, backEnd)
    // Somebody else's rules, which must survive everything.
    await bed.iptables('IPv4', '-t', 'nat', '-N', 'THEIRS')
    await bed.iptables('IPv4', '-t', 'nat', '-A', 'PREROUTING', '-j', 'THEIRS')
    await bed.iptables('IPv4', '-A', 'FORWARD', '-s', '203.0.113.9/32', '-j', 'DROP')
    before = await bed.save()
    api = new TableApi()
    for (const object of [...services, ...slices]) api.put(object)
    running = await bed.start(api)
  })
  afterAll(async () => {
    await running?.stop()
    await packets?.dismantle()
  })

  test.each(cases)('$name', async ({ from, to, protocol = 'tcp', arrives, source }) => {
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

  test('session affinity keeps to one endpoint', async () => {
    const answers = await packets.ask('far', 'tcp', '10.96.0.17:80', 15)
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toMatch(/^[ab]\|/)
  })

  test('a Service comes, changes its endpoints and goes', async () => {
    const late = service('late', '10.96.0.99', [{}])
    const quiet = await bed.save()
    const answers = async (): Promise<string[]> =>
      (await packets.ask('far', 'tcp', '10.96.0.99:80', 5)).map((answer) => answer.split('|')[0] as string)
    const all = (wanted: string) => async (): Promise<boolean> => (await answers()).every((answer) => answer === wanted)
    api.put(late)
    await eventually(all('ECONNREFUSED'))
    api.put(slice('late', ['b']))
    await eventually(all('b'))
    api.put(slice('late', ['c']))
    await eventually(all('c'))
    api.remove(late)
    await eventually(async () => (await bed.save()) === quiet)
  })

  test('UDP flows move away from an endpoint that is gone, and no others', async () => {
    const first = async (): Promise<string> => (await packets.ask('far', 'udp', '10.96.0.11:53', 1, 40_001))[0]?.split('|')[0] as string
    const pod = (await first()) as 'a' | 'b'
    expect(await first()).toBe(pod) // the flow is remembered
    const other = pod === 'a' ? 'b' : 'a'
    const dnsPorts = [
      { name: 'udp', protocol: 'UDP' },
      { name: 'tcp', port: 8081 },
    ]
    api.put(slice('dns', [other], dnsPorts))
    await eventually(async () => (await first()) === other)
    api.put(slice('dns', ['a', 'b'], dnsPorts))
    await eventually(async () => (await packets.ask('far', 'udp', '10.96.0.11:53', 20)).some((answer) => answer.startsWith(`${pod}|`)))
  })

  test('a restart cuts no connection and changes no rule', async () => {
    const script = `const s=require('node:net').connect(80,'10.96.0.10');let n=0;s.on('data',d=>{n++;process.stdout.write(d)});s.on('error',e=>console.log(e.code));process.stdin.on('data',d=>s.write(d))`
    const { spawn } = await import('node:child_process')
    const client = spawn('nsenter', [`--net=/run/netns/${packets.namespaceOf('far')}`, process.execPath, '-e', script])
    let heard = ''
    client.stdout.on('data', (data) => (heard += data))
    await eventually(async () => heard.includes('|'))
    const rules = await bed.save()
    await running.stop()
    expect(await bed.save()).toBe(rules)
    client.stdin.write('while away\n')
    await eventually(async () => heard.includes('while away'))
    running = await bed.start(api)
    client.stdin.write('after\n')
    await eventually(async () => heard.includes('after'))
    client.kill('SIGKILL')
    // The program nft reads nothing back: a start writes all anew, in an order of its own.
    if (!backEnd.program) expect(await bed.save()).toBe(rules)
  })

  test('removal takes everything of this cluster, and nothing of anyone else', async () => {
    const mine = await bed.save()
    const other = await bed.start(api, { chainTag: 'a1f' })
    expect(await bed.save()).not.toBe(mine)
    await running.stop()
    await bed.remove()
    expect(await bed.save()).not.toMatch(/KUBE-|ownkube-proxy:/)
    expect((await packets.ask('far', 'tcp', '10.96.0.10:80', 1))[0]).toMatch(/^[abc]\|/)
    await other.stop()
    await bed.remove('a1f')
    expect(await bed.save()).toBe(before)
    expect(await mustRun(packets.nodeExec, 'cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).toBe('0\n')
    await bed.remove() // and again: nothing to do is no error
  })
})

/** Masquerading takes an address of the node; for what the host itself sends that is no difference. */
function sourceOf(answer: string, from: Sender): 'own' | 'masqueraded' | 'host' | 'wrong' {
  const address = answer.split('|')[1]
  const ofNode = address === world.nodeAddress || address === podGateway
  if (from === 'host') return ofNode ? 'host' : 'wrong'
  return address === (from === 'outside' ? world.outside : world.pods[from]) ? 'own' : ofNode ? 'masqueraded' : 'wrong'
}
