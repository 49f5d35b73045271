import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { type Exec, mustRun } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { removeProxyRules, type Proxy as ServiceProxy, startProxy } from '../../src/proxy/proxy.ts'
import { cases, type PodName, type Sender, service, services, slice, slices, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { buildWorld, type PacketWorld, podGateway } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

describe.skipIf(!root).each(['nft', 'legacy'] as const)('real packets through iptables-%s', (variant) => {
  let packets: PacketWorld
  let exec: Exec
  let api: TableApi
  let running: { proxy: ServiceProxy; stop: () => Promise<void> }
  let before = ''

  const start = async (chainTag = ''): Promise<typeof running> => {
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
      families: [
        {
          family: 'IPv4',
          nodePortAddresses: [world.nodeAddress],
          podTraffic: { by: 'source', cidr: world.podCidr },
          serviceCidr: world.serviceCidr,
        },
      ],
      chainTag,
      checkIntervalMs: 500,
      variant,
    })
    return {
      proxy,
      stop: async () => {
        stopping.abort()
        await proxy.stopped
      },
    }
  }
  /** Counters and dates apart. */
  const save = async (): Promise<string> =>
    (await mustRun(exec, `iptables-${variant}-save`, []))
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .sort()
      .join('\n')
      .replaceAll(/\[\d+:\d+\]/g, '')
  const eventually = async (what: () => Promise<boolean>): Promise<void> => {
    // A look for drift waits fifty times as long as it takes: on a busy machine that is many seconds.
    const deadline = systemClock.monotonic() + 60_000
    while (!(await what())) {
      if (systemClock.monotonic() > deadline) throw new Error(`not so within 60 s: ${what}`)
      await systemClock.sleep(50)
    }
  }

  beforeAll(async () => {
    packets = await buildWorld()
    exec = packets.nodeExec
    // Somebody else's rules, which must survive everything.
    await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', '-N', 'THEIRS'])
    await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', '-A', 'PREROUTING', '-j', 'THEIRS'])
    await mustRun(exec, `iptables-${variant}`, ['-A', 'FORWARD', '-s', '203.0.113.9/32', '-j', 'DROP'])
    // An empty run makes the tables that iptables shows from then on.
    await mustRun(exec, `iptables-${variant}`, ['-t', 'filter', '-S'])
    before = await save()
    api = new TableApi()
    for (const object of [...services, ...slices]) api.put(object)
    running = await start()
  })
  afterAll(async () => {
    await running?.stop()
    await packets?.dismantle()
  })

  test.each(cases)('$name', async ({ from, to, protocol = 'tcp', arrives, source }) => {
    if (arrives === 'rejected' || arrives === 'dropped' || arrives === 'nowhere') {
      const [answer] = await packets.ask(from, protocol, to, 1)
      if (arrives === 'dropped') expect(answer).toBe('timeout')
      else expect(answer).toBe('ECONNREFUSED')
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
    api.put(late)
    await eventually(async () => (await packets.ask('far', 'tcp', '10.96.0.99:80', 1))[0] === 'ECONNREFUSED')
    api.put(slice('late', ['b']))
    await eventually(async () => (await packets.ask('far', 'tcp', '10.96.0.99:80', 1))[0]?.startsWith('b|') === true)
    api.put(slice('late', ['c']))
    await eventually(async () => (await packets.ask('far', 'tcp', '10.96.0.99:80', 1))[0]?.startsWith('c|') === true)
    expect(await save()).not.toMatch(new RegExp(`test/late -> ${world.pods.b}`))
    api.remove(late)
    await eventually(async () => !(await save()).includes('test/late'))
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
    const back = new RegExp(`-> ${world.pods[pod]}:8080`)
    await eventually(async () => (await save()).split('\n').some((line) => line.includes('test/dns:udp') && back.test(line)))
  })

  test.each([['-F'], ['-F', 'KUBE-SERVICES'], ['-F', 'PREROUTING']])(
    'rules flushed by someone else (%s %s) come back',
    async (...flush) => {
      const ours = async (): Promise<string[]> => (await save()).split('\n').filter((line) => !line.includes('THEIRS'))
      const good = await ours()
      await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', ...flush])
      expect(await ours()).not.toEqual(good)
      await eventually(async () => (await ours()).join() === good.join())
      await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', '-D', 'PREROUTING', '-j', 'THEIRS']).catch(() => undefined)
      await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', '-A', 'PREROUTING', '-j', 'THEIRS'])
    },
  )

  test('a restart cuts no connection and changes no rule', async () => {
    const script = `const s=require('node:net').connect(80,'10.96.0.10');let n=0;s.on('data',d=>{n++;process.stdout.write(d)});s.on('error',e=>console.log(e.code));process.stdin.on('data',d=>s.write(d))`
    const { spawn } = await import('node:child_process')
    const client = spawn('nsenter', [`--net=/run/netns/${packets.namespaceOf('far')}`, process.execPath, '-e', script])
    let heard = ''
    client.stdout.on('data', (data) => (heard += data))
    await eventually(async () => heard.includes('|'))
    const rules = await save()
    await running.stop()
    expect(await save()).toBe(rules)
    client.stdin.write('while away\n')
    await eventually(async () => heard.includes('while away'))
    running = await start()
    client.stdin.write('after\n')
    await eventually(async () => heard.includes('after'))
    client.kill('SIGKILL')
    expect(await save()).toBe(rules)
  })

  test('a restart takes over stale chains of the run before', async () => {
    await running.stop()
    const stale = 'KUBE-SVC-AAAAAAAAAAAAAAAA'
    await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', '-N', stale])
    await mustRun(exec, `iptables-${variant}`, ['-t', 'nat', '-I', 'KUBE-SERVICES', '-d', '10.96.3.3/32', '-j', stale])
    await mustRun(exec, `iptables-${variant}`, [
      '-t',
      'nat',
      '-I',
      'PREROUTING',
      '-m',
      'comment',
      '--comment',
      'kubernetes service portals',
      '-j',
      'KUBE-SERVICES',
    ])
    running = await start()
    const rules = await save()
    expect(rules).not.toContain(stale)
    expect(rules.match(/-A PREROUTING .*KUBE-SERVICES/g)).toHaveLength(1)
  })

  test('removal takes everything of this cluster, and nothing of anyone else', async () => {
    const other = await start('a1f')
    const both = await save()
    expect(both).toContain('KUBEa1f-SERVICES')
    await running.stop()
    await removeProxyRules({ exec, chainTag: '', variant })
    expect(await save()).not.toContain('KUBE-')
    expect((await packets.ask('far', 'tcp', '10.96.0.10:80', 1))[0]).toMatch(/^[abc]\|/)
    await other.stop()
    await removeProxyRules({ exec, chainTag: 'a1f', variant })
    expect(await save()).toBe(before)
    expect(await mustRun(exec, 'cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).toBe('0\n')
    await removeProxyRules({ exec, chainTag: '', variant }) // and again: nothing to do is no error
  })
})

/** Masquerading takes an address of the node; for what the host itself sends that is no difference. */
function sourceOf(answer: string, from: Sender): 'own' | 'masqueraded' | 'host' | 'wrong' {
  const address = answer.split('|')[1]
  const ofNode = address === world.nodeAddress || address === podGateway
  if (from === 'host') return ofNode ? 'host' : 'wrong'
  return address === (from === 'outside' ? world.outside : world.pods[from]) ? 'own' : ofNode ? 'masqueraded' : 'wrong'
}
