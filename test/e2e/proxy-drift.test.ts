import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { mustRun } from '../../src/host/exec.ts'
import type { AddressFamily } from '../../src/proxy/service-port.ts'
import { services, slices, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { type BackEnd, backEnds, eventually, families, familyOn, ProxyBed, type RunningProxy } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

const [nftables, program, iptablesNft, iptablesLegacy] = backEnds as [BackEnd, BackEnd, BackEnd, BackEnd]

/** A connection from a pod to a Service that stays open, and can be asked whether it still lives. */
class OpenConnection {
  readonly #client
  #heard = ''

  constructor(namespace: string, address: string) {
    const script = `const s=require('node:net').connect(80,'${address}');s.on('data',d=>process.stdout.write(d));s.on('error',e=>console.log(e.code));process.stdin.on('data',d=>s.write(d))`
    this.#client = spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, '-e', script])
    this.#client.stdout.on('data', (data) => (this.#heard += data))
  }

  opened(): Promise<void> {
    return eventually(async () => this.#heard.includes('|'))
  }

  async isAlive(word: string): Promise<void> {
    this.#client.stdin.write(`${word}\n`)
    await eventually(async () => this.#heard.includes(word))
  }

  end(): void {
    this.#client.kill('SIGKILL')
  }
}

describe.skipIf(!root).each(families)('our rules among others, $family', ({ family, six, twin }) => {
  let packets: PacketWorld
  let api: TableApi
  let running: RunningProxy | undefined
  /** What is written for IPv4, to nft. */
  const inFamily = (text: string): string =>
    six
      ? twin(text)
          .replaceAll('ip ownkube-proxy', 'ip6 ownkube-proxy')
          .replaceAll('ipv4_addr', 'ipv6_addr')
          .replaceAll('ip daddr', 'ip6 daddr')
      : text
  const bed = (backEnd = nftables): ProxyBed => new ProxyBed(packets, backEnd)
  const start = async (backEnd = nftables): Promise<void> => {
    running = await bed(backEnd).start(api, { families: [familyOn[family]] })
  }
  const stop = async (): Promise<void> => {
    await running?.stop()
    running = undefined
  }
  /** A few of the scenes, one of each kind. */
  const served = async (): Promise<void> => {
    expect(
      (await packets.ask('far', 'tcp', twin('10.96.0.10:80'), 3)).every(
        (answer) => /^[abc]\|/.test(answer) && answer.endsWith(`|${twin(world.pods.far)}`),
      ),
    ).toBe(true)
    expect((await packets.ask('outside', 'tcp', twin(`${world.nodeAddress}:30003`), 1))[0]).toBe(`a|${twin(world.outside)}`)
    expect((await packets.ask('a', 'tcp', twin('10.96.0.12:80'), 1))[0]).toBe('ECONNREFUSED')
    if (!six) expect((await packets.ask('host', 'tcp', '127.0.0.1:30001', 1))[0]).toMatch(/^[abc]\|/)
  }

  beforeAll(async () => {
    packets = await buildWorld()
    api = new TableApi()
    for (const object of [...services, ...slices]) api.put(twin(object))
  })
  afterAll(async () => {
    await stop()
    await packets?.dismantle()
  })

  test.each([
    ['all of everybody', 'flush ruleset'],
    ['our table', 'delete table ip ownkube-proxy'],
    ['all rules of it', 'flush table ip ownkube-proxy'],
    ['the rules of one chain', 'flush chain ip ownkube-proxy ports'],
    ['one element', 'delete element ip ownkube-proxy cluster-ips { 10.96.0.10 }'],
    [
      'an element of a map, changed',
      'delete element ip ownkube-proxy node-ports { tcp . 30001 }\nadd element ip ownkube-proxy node-ports { tcp . 30001 : 7:7 }',
    ],
    ['an element too many', 'add element ip ownkube-proxy internal { 10.96.9.9 . tcp . 80 : 0:4001 }'],
    ['a rule in front', 'insert rule ip ownkube-proxy services drop'],
    ['a set of their own', 'add set ip ownkube-proxy theirs { type ipv4_addr ; }'],
    ['asleep', 'add table ip ownkube-proxy { flags dormant ; }'],
  ])('what others do to it is put right: %s', async (_name, input) => {
    if (!running) await start()
    const good = await bed().ownTables()
    await bed().nft(inFamily(input))
    await eventually(async () => (await bed().ownTables()) === good)
    await served()
  })

  test('a clean-up while a proxy runs is put right, too', async () => {
    if (!running) await start()
    const good = await bed().ownTables()
    await bed(program).remove() // by processes of its own, as anyone's clean-up is
    await eventually(async () => (await bed().ownTables()) === good)
    await served()
  })

  test('a firewall that is loaded anew again and again, under load: what it cuts is served again at once', async () => {
    if (!running) await start()
    const good = await bed().ownTables()
    const asking = packets.ask('far', 'tcp', twin('10.96.0.10:80'), 300)
    for (let i = 0; i < 5; i++) {
      await bed().nft('flush ruleset\nadd table inet firewall\nadd chain inet firewall forward { type filter hook forward priority 0 ; }')
      await systemClock.sleep(100)
    }
    const answers = await asking
    // Those that began while there were no rules at all went nowhere; they are few.
    expect(answers.filter((answer) => /^[abc]\|/.test(answer)).length).toBeGreaterThan(200)
    await eventually(async () => (await bed().ownTables()) === good)
    await served()
    await bed().nft('delete table inet firewall')
  })

  test('the program nft writes what netlink writes', async () => {
    const written = async (backEnd: BackEnd): Promise<string[]> => {
      await stop()
      await bed().remove()
      await start(backEnd)
      // Types apart: nft keeps by what examples they were told, and writes their numbers as it was told them.
      const lines = (await bed().ownTables()).split('\n').filter((line) => !/: type(of)? /.test(line))
      return lines.map((line) => line.replaceAll(/0x[0-9a-f]{8}\b/g, (number) => String(Number(number))))
    }
    expect(await written(program)).toEqual(await written(nftables))
  })

  test.each([nftables, program])('meanwhile no connection fails: $name', async (backEnd) => {
    await stop()
    await start(backEnd)
    let isOver = false
    const disturbing = (async () => {
      while (!isOver) {
        await bed().nft(inFamily('add set ip ownkube-proxy theirs { type ipv4_addr ; }\ninsert rule ip ownkube-proxy services counter'))
        await systemClock.sleep(100)
      }
    })()
    try {
      const answers = await Promise.all([
        packets.ask('far', 'tcp', twin('10.96.0.10:80'), 1_000),
        packets.ask('far', 'tcp', twin('10.96.0.17:80'), 1_000),
        packets.ask('outside', 'tcp', twin(`${world.nodeAddress}:30001`), 1_000),
      ])
      for (const each of answers) expect(each.filter((answer) => !/^[abc]\|/.test(answer))).toEqual([])
    } finally {
      isOver = true
      await disturbing
    }
    if (backEnd === program) {
      // Nobody tells it of changes, and it looks the more seldom the dearer a look is: a start looks at once.
      await stop()
      await start(backEnd)
    }
    await eventually(async () => !(await bed().ownTables()).includes('theirs'))
    await stop()
  })

  test.each([
    ['nftables', iptablesNft, nftables],
    ['iptables-nft', nftables, iptablesNft],
    ['iptables-legacy', nftables, iptablesLegacy],
    ['nftables from iptables-legacy', iptablesLegacy, nftables],
  ])('a start in another mode takes over: %s', async (_name, from, to) => {
    await stop()
    // Each begins from nothing, for the two kinds of iptables know nothing of one another.
    for (const backEnd of backEnds) await bed(backEnd).remove()
    await bed(to).iptables(family, '-A', 'FORWARD', '-s', twin('203.0.113.9/32'), '-j', 'DROP')
    await start(from)
    const connection = new OpenConnection(packets.namespaceOf('far'), twin('10.96.0.10'))
    try {
      await connection.opened()
      await stop()
      await start(to)
      await connection.isAlive('after')
      const saved = six ? await bed(to).save6() : await bed(to).save()
      expect(saved).toContain(twin('203.0.113.9'))
      expect(to.mode === 'nftables' ? saved : await bed().ownTables()).not.toMatch(to.mode === 'nftables' ? /KUBE-/ : /ownkube/)
      await served()
    } finally {
      connection.end()
      await bed(to).iptables(family, '-D', 'FORWARD', '-s', twin('203.0.113.9/32'), '-j', 'DROP')
    }
    await stop()
    await bed(to).remove()
    expect(await mustRun(packets.nodeExec, 'cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).toBe('0\n')
  })

  test('a table of another version is replaced at the start, whatever its sets hold', async () => {
    await stop()
    await bed().nft(
      inFamily(`
      table ip ownkube-proxy
      delete table ip ownkube-proxy
      table ip ownkube-proxy {
        map affinity { type ipv4_addr : inet_service; flags dynamic,timeout; elements = { 10.244.2.14 timeout 1h : 8080 } }
        map cluster-ips { type ipv4_addr : ipv4_addr; elements = { 10.96.0.10 : 10.0.0.1 } }
        chain services { type filter hook prerouting priority -150; policy accept; ip daddr 10.96.0.0/16 jump ports; }
        chain ports { drop; }
      }`),
    )
    await start()
    await served()
    expect(await bed().ownTables()).not.toContain(`: ${twin('10.0.0.1')}`)
  })

  test('a proxy that is killed while it changes things leaves what the next one can take over', async () => {
    await stop()
    await bed().remove()
    for (let round = 0; round < 3; round++) {
      const victim = new OtherProxy(packets.namespaceOf('host'), 'restless', family)
      await victim.up()
      const connection = new OpenConnection(packets.namespaceOf('far'), twin('10.96.0.10'))
      await connection.opened()
      victim.kill()
      await start()
      await connection.isAlive('after')
      connection.end()
      expect(await bed().ownTables()).not.toMatch(six ? /fd77::a:60:7:/ : /10\.96\.7\./)
      await served()
      await stop()
    }
  })

  test('two at once come to rest, and put right together what others do', async () => {
    await start()
    const other = new OtherProxy(packets.namespaceOf('host'), 'quiet', family)
    try {
      await other.up()
      await bed().nft('flush ruleset')
      await eventually(async () => (await bed().ownTables()) !== '')
      await eventually(async () => {
        const before = await bed().ownTables()
        await systemClock.sleep(1_500)
        return before !== '' && before === (await bed().ownTables())
      })
      await served()
    } finally {
      other.kill()
    }
  })
})

/** A proxy in a process of its own. */
class OtherProxy {
  readonly #process

  constructor(namespace: string, temper: 'quiet' | 'restless', family: AddressFamily) {
    const program = new URL('./proxy-process.ts', import.meta.url).pathname
    this.#process = spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, program, temper, family], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  /** Resolves when its rules are in place, and if it is restless, once it has begun to change them. */
  up(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#process.stdout.once('data', () => resolve())
      this.#process.once('exit', (code) => reject(new Error(`the other proxy ended with ${code}`)))
    })
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
