/** The contract of nftables kernels, against the real one: each test in a network namespace of its own. Needs root. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { type Exec, mustRun, systemExec } from '../../src/host/exec.ts'
import { type Libc, loadLibc } from '../../src/host/libc.ts'
import type { NftKernel } from '../../src/netfilter/nftables/kernel.ts'
import { nftKernelContract } from '../../src/netfilter/nftables/kernel-contract.ts'
import { followTraces, type LiveStep } from '../../src/netfilter/nftables/live-trace.ts'
import { openNetlinkKernel } from '../../src/netfilter/nftables/netlink-kernel.ts'
import { openProgramKernel } from '../../src/netfilter/nftables/program-kernel.ts'
import type { HeldTable, NftSet, Table } from '../../src/netfilter/nftables/ruleset.ts'
import { traceNftables } from '../../src/netfilter/nftables/trace.ts'
import { createTable, removeTable, replaceTable } from '../../src/netfilter/nftables/transaction.ts'
import { keyOf } from '../../src/netfilter/nftables/values.ts'

let spaces = 0

/** Runs programs in a network namespace, and nowhere else in another world. */
const execIn = (namespace: string): Exec => ({
  run: (program, args, options) => systemExec.run('nsenter', [`--net=${namespace}`, program, ...args], options),
})

nftKernelContract('netlink', async () => {
  const libc = loadLibc((reason) => {
    throw new Error(reason)
  })
  if (libc === undefined) throw new Error('no system calls')
  const name = `okk-${process.pid}-${++spaces}`
  await mustRun(systemExec, 'ip', ['netns', 'add', name])
  const namespace = `/run/netns/${name}`
  const kernel = openNetlinkKernel(libc, { namespace })
  // Truly somebody else: another process.
  const other = openProgramKernel({ exec: execIn(namespace), clock: systemClock })
  return {
    kernel,
    other,
    async close() {
      kernel.close()
      other.close()
      await mustRun(systemExec, 'ip', ['netns', 'del', name])
    },
  }
})

describe('through the program nft', () => {
  const wait = (ms: number): Promise<void> => systemClock.sleep(ms)
  let name: string, netlink: NftKernel, program: NftKernel
  const set: NftSet = { name: 'pairs', key: ['ipv4_addr', 'inet_proto', 'index'], data: ['ipv4_addr', 'inet_service'] }
  const seen: NftSet = { name: 'seen', key: ['ipv4_addr'], dynamic: true, timeoutMs: 0, size: 100 }
  const table: Table = {
    family: 'ip',
    name: 'text',
    sets: [set, seen],
    chains: [
      {
        name: 'prerouting',
        hook: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
        rules: [
          {
            statements: [
              { kind: 'match', key: 'meta l4proto', value: 'tcp' },
              { kind: 'dnat', to: { map: 'pairs', key: ['ip daddr', 'meta l4proto', { numgen: 'random', modulus: 2 }] } },
            ],
            comment: 'why',
          },
        ],
      },
    ],
  }
  const element = { key: keyOf(set.key, '10.0.0.1', 'tcp', 1), data: keyOf(['ipv4_addr', 'inet_service'], '10.1.0.1', 80) }
  const load = createTable(table, (each) => (each === set ? [element] : []))

  beforeEach(async () => {
    name = `okk-${process.pid}-${++spaces}`
    await mustRun(systemExec, 'ip', ['netns', 'add', name])
    netlink = openNetlinkKernel(loadLibc() as Libc, { namespace: `/run/netns/${name}` })
    program = openProgramKernel({ exec: execIn(`/run/netns/${name}`), clock: systemClock, pollMs: 50 })
  })
  afterEach(async () => {
    netlink.close()
    program.close()
    await mustRun(systemExec, 'ip', ['netns', 'del', name])
  })

  it('the kernel holds the same as over netlink', async () => {
    await netlink.apply(load)
    const held = await netlink.read('ip', 'text')
    await netlink.apply(removeTable('ip', 'text'))
    await program.apply(load)
    const read = await netlink.read('ip', 'text')
    const shape = (table: HeldTable | undefined): unknown => ({
      chains: table?.chains.map(({ name, hook, rules }) => ({ name, hook, rules: rules.map((rule) => ({ ...rule, handle: 0 })) })),
      elements: table?.sets.map(({ name, keyLength, dataLength, elements }) => ({ name, keyLength, dataLength, elements })),
    })
    expect(shape(read)).toEqual(shape(held))
  })

  it('takes rules for each protocol that look into a map from before, and elements of it', async () => {
    await program.apply(load)
    const to = { map: 'pairs', key: ['ip daddr', 'meta l4proto', { numgen: 'random', modulus: 3 }] } as const
    const rules = ['tcp', 'udp', 'sctp'].map((protocol) => ({
      kind: 'add rule' as const,
      chain: 'more',
      rule: {
        statements: [
          { kind: 'match', key: 'meta l4proto', value: protocol },
          { kind: 'dnat', to },
        ] as const,
      },
    }))
    await program.apply({ table, changes: [{ kind: 'add chain', chain: 'more' }, ...rules] })
    const other = { ...element, key: keyOf(set.key, '10.0.0.1', 'tcp', 2) }
    await program.apply({ table, changes: [{ kind: 'add elements', set, elements: [other] }] })
    const held = await netlink.read('ip', 'text')
    expect(held?.chains.map(({ name, rules: its }) => [name, its.length])).toEqual([
      ['prerouting', 1],
      ['more', 3],
    ])
    expect(held?.sets[0]?.elements).toHaveLength(2)
  })

  it('tells what was refused, whether a table is there, and the names in it', async () => {
    expect(await program.read('ip', 'text')).toBeUndefined()
    await program.apply(load)
    expect(await program.read('ip', 'text')).toMatchObject({
      name: 'text',
      sets: [{ name: 'pairs', elements: [] }, { name: 'seen' }],
      chains: [{ name: 'prerouting', rules: [] }],
    })
    const change = { kind: 'delete chain', chain: 'none' } as const
    await expect(program.apply({ table, changes: [{ kind: 'add table' }, change] })).rejects.toMatchObject({ code: 'ENOENT', change })
    await expect(program.readAll()).rejects.toThrow('only be read over netlink')
  })

  it("tells of others' changes, between and before its own, and not of its own or of what rules add", async () => {
    await program.apply(load)
    let told = 0
    program.whenChangedByOthers('ip', 'text', () => told++)
    await program.apply({ table, changes: [{ kind: 'delete elements', set, elements: [element] }] })
    await netlink.apply({
      table,
      changes: [{ kind: 'add elements', set: seen, elements: [{ key: keyOf(seen.key, '10.0.0.9'), timeoutMs: 60_000 }] }],
    })
    await wait(200)
    expect(told).toBe(0)
    await netlink.apply({ table, changes: [{ kind: 'add elements', set, elements: [element] }] })
    await program.apply({ table, changes: [{ kind: 'add chain', chain: 'more' }] })
    expect(told).toBe(1)
    await netlink.apply(removeTable('ip', 'text'))
    await expect.poll(() => told).toBe(2)
  })
})

describe('netlink', () => {
  it('tells of others behind a large transaction of its own, during which it does not listen', async () => {
    const name = `okk-${process.pid}-${++spaces}`
    await mustRun(systemExec, 'ip', ['netns', 'add', name])
    const kernel = openNetlinkKernel(loadLibc() as Libc, { namespace: `/run/netns/${name}` })
    const second = openNetlinkKernel(loadLibc() as Libc, { namespace: `/run/netns/${name}` })
    try {
      const set: NftSet = { name: 'many', key: ['mark'] }
      const table: Table = { family: 'ip', name: 'large', sets: [set], chains: [] }
      const many = Array.from({ length: 20_000 }, (_, index) => ({ key: keyOf(set.key, index) }))
      let told = 0
      second.whenChangedByOthers('ip', 'large', () => told++)
      await kernel.apply(replaceTable(table, () => many))
      await kernel.apply({ table, changes: [{ kind: 'delete elements', set, elements: many.slice(1) }] })
      await expect(
        kernel.apply({
          table,
          changes: [
            { kind: 'add elements', set, elements: many },
            { kind: 'delete chain', chain: 'none' },
          ],
        }),
      ).rejects.toThrow('ENOENT')
      await systemClock.sleep(100)
      expect(told).toBe(0)
      kernel.close()
      await openProgramKernel({ exec: execIn(`/run/netns/${name}`), clock: systemClock }).apply(removeTable('ip', 'large'))
      await expect.poll(() => told).toBeGreaterThan(0)
    } finally {
      kernel.close()
      second.close()
      await mustRun(systemExec, 'ip', ['netns', 'del', name])
    }
  })
})

describe('a traced kernel', () => {
  const backends: NftSet = {
    name: 'backends',
    key: ['ipv4_addr', 'inet_proto', 'inet_service'],
    data: ['ipv4_addr', 'inet_service'],
    counter: true,
  }
  const key = ['ip daddr', 'meta l4proto', 'th dport'] as const
  const table: Table = {
    family: 'ip',
    name: 'traced',
    sets: [backends],
    chains: [
      {
        name: 'early',
        hook: { type: 'filter', hook: 'output', priority: -300 },
        rules: [{ statements: [{ kind: 'set', field: 'meta nftrace', to: 1 }] }],
      },
      {
        name: 'output',
        hook: { type: 'nat', hook: 'output', priority: -100 },
        rules: [{ statements: [{ kind: 'counter' }, { kind: 'dnat', to: { map: 'backends', key } }], comment: 'backends' }],
      },
    ],
  }
  const element = { key: keyOf(backends.key, '10.96.0.1', 'tcp', 80), data: keyOf(['ipv4_addr', 'inet_service'], '10.0.0.1', 9) }
  let name: string, namespace: string, kernel: NftKernel
  beforeEach(async () => {
    name = `okk-${process.pid}-${++spaces}`
    namespace = `/run/netns/${name}`
    await mustRun(systemExec, 'ip', ['netns', 'add', name])
    for (const line of ['link set lo up', 'address add 10.0.0.1/32 dev lo', 'route add 10.96.0.0/16 dev lo'])
      await mustRun(systemExec, 'ip', ['-n', name, ...line.split(' ')])
    kernel = openNetlinkKernel(loadLibc() as Libc, { namespace })
  })
  afterEach(async () => {
    kernel.close()
    await mustRun(systemExec, 'ip', ['netns', 'del', name])
  })
  /** Nobody listens there: what matters is the way to it. */
  const connect = async (): Promise<string> =>
    (await execIn(namespace).run('bash', ['-c', 'exec 3<>/dev/tcp/10.96.0.1/80'], { timeoutMs: 5000 })).stderr

  it('goes the way that the tracer tells, step by step, and counts it', async () => {
    await kernel.apply(createTable(table, () => [element]))
    const steps: LiveStep[] = []
    const stop = followTraces(loadLibc() as Libc, { namespace, step: (step) => steps.push(step), lost: () => undefined })
    expect(await connect()).toContain('refused')
    await expect.poll(() => steps.some(({ chain, what }) => chain === 'output' && what === 'rule')).toBe(true)
    stop()
    const held = await kernel.read('ip', 'traced')
    const rule = held?.chains.find((chain) => chain.name === 'output')?.rules[0]
    const step = steps.find(({ chain, what }) => chain === 'output' && what === 'rule')
    expect(step).toMatchObject({ family: 'ip', table: 'traced', handle: rule?.handle, verdict: 'accept' })
    expect(step?.packet).toMatchObject({ destination: '10.96.0.1', protocol: 'tcp', port: 80 })
    expect(held?.sets[0]?.elements).toMatchObject([{ ...element, packets: 1 }])
    expect(rule?.counted?.packets).toBe(1)
    const host = { tables: await kernel.readAll(), isLocal: (address: string) => address === '10.0.0.1' }
    const packet = { from: 'host', protocol: 'tcp', source: '10.0.0.1', destination: '10.96.0.1', port: 80 } as const
    expect(traceNftables(host, packet)).toMatchObject([
      { probability: 1, verdict: 'arrives', to: '10.0.0.1:9', path: [{ chain: 'output', handle: rule?.handle, comment: 'backends' }] },
    ])
  })

  it("holds other people's rules, which the tracer understands or names", async () => {
    const run = execIn(namespace)
    await mustRun(run, 'iptables-nft', [
      '-t',
      'nat',
      '-A',
      'OUTPUT',
      '-m',
      'comment',
      '--comment',
      'ours',
      '-m',
      'addrtype',
      '--dst-type',
      'LOCAL',
      '-j',
      'REDIRECT',
    ])
    await mustRun(run, 'iptables-nft', ['-A', 'OUTPUT', '-p', 'tcp', '--dport', '25', '-j', 'REJECT'])
    await mustRun(run, 'iptables-nft', ['-A', 'OUTPUT', '-p', 'udp', '--dport', '26', '-m', 'comment', '--comment', 'no', '-j', 'DROP'])
    const text = [
      'table inet firewall {',
      ' set blocked { type ipv4_addr; flags interval; auto-merge; elements = { 192.0.2.0/24, 198.51.100.7 } }',
      ' chain output { type filter hook output priority 10; policy accept;',
      '  ip daddr @blocked drop',
      '  tcp dport { 22, 8000-8999 } reject with tcp reset',
      '  meta skgid 5 limit rate 5/second log prefix "x" accept',
      '  tcp dport vmap { 443 : accept, 444 : drop }',
      ' }',
      '}',
      'table arp other { chain input { type filter hook input priority 0; }; }',
      'table bridge other { chain forward { type filter hook forward priority 0; }; }',
    ].join('\n')
    expect(await run.run('nft', ['-f', '-'], { input: text })).toEqual({ code: 0, stdout: '', stderr: '' })
    const host = { tables: await kernel.readAll(), isLocal: (address: string) => address.startsWith('127.') }
    const traced = (destination: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): unknown =>
      traceNftables(host, { from: 'host', protocol, source: '10.0.0.1', destination, port }).map(({ verdict }) => verdict)
    expect(host.tables.map(({ family, name }) => `${family} ${name}`)).toEqual(
      expect.arrayContaining(['arp other', 'bridge other', 'inet firewall']),
    )
    expect(traced('192.0.2.77', 80)).toEqual(['dropped'])
    expect(traced('198.51.100.7', 80)).toEqual(['dropped'])
    expect(traced('198.51.100.8', 80)).toEqual(['arrives'])
    expect(traced('198.51.100.8', 8080)).toEqual(['rejected'])
    expect(traced('198.51.100.8', 444)).toEqual(['dropped'])
    expect(traced('198.51.100.8', 26, 'udp')).toEqual(['dropped'])
    const [outcome] = traceNftables(host, { from: 'host', protocol: 'tcp', source: '10.0.0.1', destination: '198.51.100.8', port: 25 })
    const understood = outcome?.notUnderstood.map((each) => each.replace(/ \(.*/, ''))
    expect(understood).toEqual([
      'rule not understood: iptables match addrtype',
      'rule not understood: iptables target REJECT',
      'rule not understood: meta skgid',
    ])
  })
})
