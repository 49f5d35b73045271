import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EndpointSlice, Service } from '../../api/generated/types.ts'
import { silentLog } from '../../host/log.ts'
import { FakeKernel } from '../../netfilter/fake-kernel.ts'
import type { Element } from '../../netfilter/nftables/ruleset.ts'
import { FakeNftables } from '../../netfilter/nftables/testing/fake-nftables.ts'
import { createTable, replaceTable } from '../../netfilter/nftables/transaction.ts'
import { transactionText } from '../../netfilter/nftables/transaction-text.ts'
import type { AddressFamily } from '../service-port.ts'
import type { RuleSettings } from '../service-rules.ts'
import { ServiceTable } from '../service-table.ts'
import { historyArbitrary, replay } from '../testing/histories.ts'
import { cases6, services6, slices6 } from '../testing/ipv6-scenes.ts'
import { expectShares, sceneOf, tracedOutcome } from '../testing/outcomes.ts'
import { type Case, cases, type PodName, service, services, slice, slices, world } from '../testing/scenes.ts'
import { chooserChain } from './choosers.ts'
import { NftablesRules } from './nftables-rules.ts'
import { meaningOf } from './testing/meaning.ts'

const settings = (family: AddressFamily): RuleSettings => ({
  family,
  podTraffic: { by: 'source', cidr: sceneOf[family].podCidr },
  masqueradeAll: false,
  masqueradeBit: 14,
  nodePortAddresses: [sceneOf[family].nodeAddress],
  localhostNodePorts: family === 'IPv4',
  dropsInvalid: true,
  serviceCidrs: [sceneOf[family].serviceCidr],
  node: world.node,
  tag: '',
})

type ProgrammingOptions = Partial<RuleSettings> & { kernel?: FakeNftables; readsBack?: boolean; now?: () => number }

/** Services and their rules, as the proxy's loop puts them together. */
class Programming {
  readonly kernel: FakeNftables
  readonly rules: NftablesRules
  readonly family: AddressFamily
  disturbed = 0
  readonly #table: ServiceTable

  constructor({ family = 'IPv4', kernel, readsBack = true, ...more }: ProgrammingOptions = {}) {
    this.family = family
    this.kernel = kernel ?? new FakeNftables({ addresses: [sceneOf[family].nodeAddress], ...(more.now ? { now: more.now } : {}) })
    this.#table = new ServiceTable({ node: () => ({ name: world.node, zone: undefined }), family })
    this.rules = new NftablesRules({
      ...settings(family),
      ...more,
      kernel: this.kernel.open({ readsBack }),
      exec: new FakeKernel({ addresses: [] }),
      log: silentLog,
      routeLocalnetWas: family === 'IPv4' ? '0' : undefined,
      onChangedByOthers: () => this.disturbed++,
    })
  }

  update(name: string, one: Service | undefined, theirSlices: readonly EndpointSlice[]): void {
    this.rules.update(`test/${name}`, this.#table.update(`test/${name}`, one, theirSlices).ports)
  }

  async load(all: readonly Service[], theirSlices: readonly EndpointSlice[]): Promise<this> {
    for (const each of all) {
      const { name } = each.metadata
      this.update(
        name,
        each,
        theirSlices.filter((one) => one.metadata.labels?.['kubernetes.io/service-name'] === name),
      )
    }
    await this.rules.apply()
    return this
  }

  outcome(each: Omit<Case, 'name' | 'arrives'>): Pick<Case, 'arrives' | 'source'> {
    return tracedOutcome((packet) => this.kernel.trace(packet), { name: '', arrives: {}, ...each })
  }
}

const clientsIn = (kernel: FakeNftables): readonly Element[] =>
  kernel.held()[0]?.sets.find(({ name }) => name === 'affinity')?.elements ?? []

describe('where packets go', async () => {
  const four = await new Programming().load(services, slices)
  const six = await new Programming({ family: 'IPv6' }).load(services6, slices6)
  test.each(cases)('$name', (each) => {
    const outcome = four.outcome(each)
    expectShares(outcome.arrives, each.arrives)
    expect(outcome.source).toBe(each.source)
  })
  test.each(cases6)('IPv6: $name', (each) => {
    const outcome = six.outcome(each)
    expectShares(outcome.arrives, each.arrives)
    expect(outcome.source).toBe(each.source)
  })

  test('the tracer understands every rule', () => {
    const packet = { from: 'network', protocol: 'tcp', source: world.outside, destination: '10.96.0.17', port: 80 } as const
    expect(four.kernel.trace(packet).flatMap((outcome) => outcome.notUnderstood)).toEqual([])
  })

  test('the network cannot come in by the localhost node port', () => {
    const outcomes = four.kernel.trace({ from: 'network', protocol: 'tcp', source: world.outside, destination: '127.0.0.1', port: 30001 })
    expect(outcomes.map((outcome) => outcome.verdict)).toEqual(['dropped'])
  })

  test('without INVALID packets to drop, established connections meet no rule at all', async () => {
    const liberal = await new Programming({ dropsInvalid: false, localhostNodePorts: false }).load(services, slices)
    const hooks = liberal.kernel.held()[0]?.chains.flatMap(({ hook }) => (hook ? [`${hook.type} ${hook.hook}`] : []))
    // The last is for what goes to localhost.
    expect(hooks).toEqual(['nat prerouting', 'nat output', 'nat postrouting', 'filter input'])
  })

  test('established connections meet one rule, and nothing refuses them', () => {
    const packet = { from: 'network', protocol: 'tcp', source: world.pods.a, destination: '10.96.0.12', port: 80 } as const
    const outcomes = four.kernel.trace({ ...packet, state: 'ESTABLISHED' })
    expect(outcomes.map(({ verdict, path }) => [verdict, path.filter(({ handle }) => handle !== undefined).length])).toEqual([
      ['arrives', 0],
    ])
  })

  test('packets that connection tracking cannot place reach nobody untranslated', () => {
    const state = 'INVALID'
    const answer = { from: 'network', protocol: 'tcp', source: world.pods.a, destination: world.outside, port: 50_000, state } as const
    expect(four.kernel.trace(answer).map((outcome) => outcome.verdict)).toEqual(['dropped'])
    expect(four.kernel.trace({ ...answer, destination: '10.96.0.10' }).map((outcome) => outcome.verdict)).toEqual(['dropped'])
    expect(four.kernel.trace({ ...answer, source: world.outside, destination: '203.0.113.1' }).map((outcome) => outcome.verdict)).toEqual([
      'arrives',
    ])
  })
})

describe('session affinity', () => {
  const sticky = services.filter((each) => each.metadata.name === 'sticky')
  const packet = { from: 'network', protocol: 'tcp', source: world.pods.far, destination: '10.96.0.17', port: 80 } as const
  const toA = `${world.pods.a}:8080`
  const toB = `${world.pods.b}:8080`

  test('a client stays until the time is over, which each connection starts anew', async () => {
    let now = 0
    const { kernel } = await new Programming({ now: () => now }).load(sticky, slices)
    expect(kernel.connect(packet, 0.9).to).toBe(toB)
    now = 90_000
    expect(kernel.connect(packet, 0.1).to).toBe(toB)
    now = 180_000
    expect(kernel.trace(packet).map((outcome) => outcome.to)).toEqual([toB])
    now = 300_000
    expect(kernel.trace(packet)).toHaveLength(2)
  })

  test('a client whose endpoint has gone or is not ready gets another and stays there, even when the first comes back', async () => {
    const programming = await new Programming().load(sticky, slices)
    const { kernel, rules } = programming
    kernel.connect(packet, 0.9)
    programming.update('sticky', sticky[0], [slice('sticky', ['a'])])
    await rules.apply()
    expect(kernel.connect(packet, 0).to).toBe(toA)
    programming.update('sticky', sticky[0], [slice('sticky', ['a', 'b'])])
    await rules.apply()
    expect(kernel.trace(packet).map((outcome) => outcome.to)).toEqual([toA])
  })

  test('others change nothing for a client', async () => {
    const programming = await new Programming().load(sticky, slices)
    programming.kernel.connect(packet, 0.9)
    for (const pods of [['b', 'c'], ['c', 'b', 'far'], ['b']] as PodName[][]) {
      programming.update('sticky', sticky[0], [slice('sticky', pods)])
      await programming.rules.apply()
      expect(programming.kernel.trace(packet).map((outcome) => outcome.to)).toEqual([toB])
    }
  })

  test('a table whose rules change remembers the clients', async () => {
    const first = await new Programming().load(sticky, slices)
    first.kernel.connect(packet, 0.9)
    const other = await new Programming({ kernel: first.kernel, masqueradeAll: true }).load(sticky, slices)
    expect(other.kernel.trace(packet).map((outcome) => outcome.to)).toEqual([toB])
  })
})

test('shares stay equal through every change of the endpoints', async () => {
  const programming = new Programming()
  const web = service('web', '10.96.0.10', [{}])
  const sets: PodName[][] = [['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'c', 'far'], ['b'], ['a', 'b', 'c', 'far'], ['far', 'c', 'b']]
  for (const pods of sets) {
    programming.update('web', web, [slice('web', pods)])
    await programming.rules.apply()
    const { arrives } = programming.outcome({ from: 'outside', to: '10.96.0.10:80' })
    expectShares(arrives, Object.fromEntries(pods.map((pod) => [pod, 1 / pods.length])))
  }
})

describe('what a change costs', async () => {
  const programming = await new Programming().load(services, slices)
  const { kernel, rules } = programming
  const web = services[0] as Service
  const changed = async (one: Service | undefined, pods: readonly PodName[]) => {
    programming.update('web', one, [slice('web', pods)])
    return await rules.apply()
  }
  test('one endpoint replaced: its own slot', async () => {
    expect(await changed(web, ['a', 'b', 'far'])).toEqual({ written: 1, removed: 1 })
    expect(await changed(web, ['a', 'b', 'c'])).toEqual({ written: 1, removed: 1 })
  })
  test('nothing new: nothing', async () => {
    expect(await changed(web, ['c', 'b', 'a'])).toBeUndefined()
    const before = kernel.transactions.length
    await rules.apply()
    expect(kernel.transactions).toHaveLength(before)
  })
  test('a Service gone: what it had', async () => {
    expect(await changed(undefined, [])).toEqual({ written: 0, removed: 6 })
  })
})

describe('several that claim the same', () => {
  const first = service('first', '10.96.0.1', [{ nodePort: 30001 }], { type: 'NodePort', externalIPs: ['198.51.100.1'] })
  const second = service('second', '10.96.0.2', [{ nodePort: 30001 }], { type: 'NodePort', externalIPs: ['198.51.100.1'] })
  test.each([
    ['in order', [first, second]],
    ['the other way round', [second, first]],
  ])('the first by name has it, whoever came first: %s', async (_name, order) => {
    const programming = await new Programming().load(order, [slice('first', ['a']), slice('second', ['b'])])
    for (const to of [`${world.nodeAddress}:30001`, '198.51.100.1:80']) {
      expect(programming.outcome({ from: 'outside', to }).arrives).toEqual({ a: 1 })
    }
    programming.update('first', undefined, [])
    await programming.rules.apply()
    for (const to of [`${world.nodeAddress}:30001`, '198.51.100.1:80']) {
      expect(programming.outcome({ from: 'outside', to }).arrives).toEqual({ b: 1 })
    }
  })
})

describe('taking over and putting right', () => {
  test('a second start finds everything in place and writes nothing', async () => {
    const { kernel } = await new Programming().load(services, slices)
    const before = kernel.transactions.length
    await new Programming({ kernel }).load([...services].reverse(), slices)
    expect(kernel.transactions).toHaveLength(before)
  })

  test('a second start writes only what changed in the meantime', async () => {
    const { kernel } = await new Programming().load(services, slices)
    const second = new Programming({ kernel })
    await second.load(
      services.filter((each) => each.metadata.name !== 'two'),
      slices.map((each) => (each.metadata.name === 'web-x1' ? slice('web', ['a', 'b', 'far']) : each)),
    )
    expect(kernel.transactions.at(-1)?.changes.every(({ kind }) => kind.endsWith('elements'))).toBe(true)
    expect(second.outcome({ from: 'outside', to: '10.96.0.10:80' }).arrives).toHaveProperty('far')
    expect(second.outcome({ from: 'a', to: '10.96.0.23:80' }).arrives).toBe('rejected')
  })

  test('rules lost are told of and come back', async () => {
    const programming = await new Programming().load(services, slices)
    const { kernel, rules } = programming
    const good = meaningOf(kernel)
    kernel.flush()
    await Promise.resolve()
    expect(programming.disturbed).toBe(1)
    expect(await rules.repair()).toBe(true)
    expect(meaningOf(kernel)).toEqual(good)
    expect(await rules.repair()).toBe(false)
  })

  test.each([
    ['an element gone', 'delete elements'],
    ['an element too many', 'add elements'],
    ['a rule too many', 'add rule'],
    ['a chain emptied', 'flush chain'],
  ] as const)('what others change is put right: %s', async (_name, kind) => {
    const programming = await new Programming().load(services, slices)
    const { kernel, rules } = programming
    const good = meaningOf(kernel)
    const other = kernel.open()
    const held = await other.read('ip', 'ownkube-proxy')
    const set = held?.sets.find(({ name }) => name === 'cluster-ips')
    const spec = { name: 'cluster-ips', key: ['ipv4_addr'] } as const
    const table = { family: 'ip', name: 'ownkube-proxy', sets: [spec] } as const
    const key = set?.elements[0]?.key as string
    const changes = {
      'delete elements': { kind: 'delete elements', set: spec, elements: [{ key }] },
      'add elements': { kind: 'add elements', set: spec, elements: [{ key: '\x01\x02\x03\x04' }] },
      'add rule': { kind: 'add rule', chain: 'services', rule: { statements: [{ kind: 'verdict', verdict: 'drop' }] } },
      'flush chain': { kind: 'flush chain', chain: 'ports' },
    } as const
    await other.apply({ table, changes: [changes[kind]] })
    await Promise.resolve()
    expect(programming.disturbed).toBe(1)
    expect(await rules.repair()).toBe(true)
    expect(meaningOf(kernel)).toEqual(good)
    expect(kernel.transactions.at(-1)?.changes.map((change) => change.kind)).not.toContain('delete table')
  })

  test('other settings change the table in place: a packet under way finds the maps as they were', async () => {
    const { kernel } = await new Programming().load(services, slices)
    const other = await new Programming({ kernel, masqueradeAll: true }).load(services, slices)
    const kinds = new Set(kernel.transactions.at(-1)?.changes.map((change) => change.kind))
    expect(kinds).toEqual(new Set(['flush chain', 'add rule']))
    const full = await new Programming({ masqueradeAll: true }).load(services, slices)
    expect(meaningOf(other.kernel)).toEqual(meaningOf(full.kernel))
    expect(await other.rules.repair()).toBe(false)
  })

  test('a set of another form cannot be changed in place: the table is made anew', async () => {
    const { kernel } = await new Programming().load(services, slices)
    const good = meaningOf(kernel)
    const set = { name: 'hairpin', key: ['ipv4_addr'] } as const
    const table = { family: 'ip', name: 'ownkube-proxy', sets: [set], chains: [] } as const
    await kernel.open().apply(replaceTable(table, () => []))
    const second = await new Programming({ kernel }).load(services, slices)
    expect(meaningOf(kernel)).toEqual(good)
    expect(await second.rules.repair()).toBe(false)
  })

  test('where nothing can be read, all is written in place, and who is remembered stays within one run', async () => {
    const kernel = new FakeNftables({ addresses: [world.nodeAddress] })
    const first = await new Programming({ kernel, readsBack: false }).load(services, slices)
    const good = meaningOf(kernel)
    kernel.connect({ from: 'network', protocol: 'tcp', source: world.pods.far, destination: '10.96.0.17', port: 80 }, 0.9)
    const remembered = clientsIn(kernel)
    expect(remembered).toHaveLength(1)
    const other = { family: 'ip', name: 'ownkube-proxy', sets: [] } as const
    await kernel.open().apply({ table: other, changes: [{ kind: 'add chain', chain: 'theirs' }] })
    await Promise.resolve()
    expect(await first.rules.repair()).toBe(true)
    expect(kernel.transactions.at(-1)?.changes.map((change) => change.kind)).not.toContain('delete table')
    expect([meaningOf(kernel), clientsIn(kernel)]).toEqual([good, remembered])
    await new Programming({ kernel, readsBack: false }).load(services, slices)
    expect([meaningOf(kernel), clientsIn(kernel)]).toEqual([good, []])
  })

  test('a change that the kernel refuses, as someone took away what it builds on, is made all the same', async () => {
    const programming = await new Programming().load(services, slices)
    programming.kernel.failures = ['ENOENT']
    programming.update('web', services[0], [slice('web', ['far'])])
    await programming.rules.apply()
    expect(programming.outcome({ from: 'outside', to: '10.96.0.10:80' }).arrives).toEqual({ far: 1 })
  })

  test('nonsense in the table of our name is replaced', async () => {
    const kernel = new FakeNftables({ addresses: [world.nodeAddress] })
    await kernel
      .open()
      .apply(createTable({ family: 'ip', name: 'ownkube-proxy', sets: [], chains: [{ name: 'services', rules: [] }] }, () => []))
    const programming = await new Programming({ kernel }).load(services, slices)
    expect(programming.outcome({ from: 'outside', to: '10.96.0.20:80' }).arrives).toEqual({ a: 1 })
  })
})

describe('what nobody needs any more', () => {
  const ranged = (ranges: string[]): Service => ({
    ...service('ranged', '10.96.0.28', [{}], { type: 'LoadBalancer', loadBalancerSourceRanges: ranges }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } },
  })
  const put = async (programming: Programming, pods: readonly PodName[], ranges: string[]): Promise<void> => {
    programming.update('ranged', ranged(ranges), [slice('ranged', pods)])
    await programming.rules.apply()
  }
  const names = ({ kernel }: Programming): string[] => [
    ...(kernel
      .held()[0]
      ?.chains.map(({ name }) => name)
      .filter((name) => name.startsWith('choose-')) ?? []),
    ...(kernel
      .held()[0]
      ?.sets.map(({ name }) => name)
      .filter((name) => name.startsWith('source-ranges-')) ?? []),
  ]

  test('goes at a look after the next, chains after all that named them', async () => {
    const programming = new Programming()
    await put(programming, ['a', 'b'], ['203.0.113.0/24'])
    await put(programming, ['a'], ['192.168.77.2/32'])
    expect(names(programming)).toEqual(['choose-2', 'choose-1', 'source-ranges-24', 'source-ranges-32'])
    await programming.rules.repair()
    expect(names(programming)).toEqual(['choose-2', 'choose-1', 'source-ranges-32'])
    const before = programming.kernel.transactions.length
    await programming.rules.repair()
    expect(names(programming)).toEqual(['choose-1', 'source-ranges-32'])
    expect(programming.kernel.transactions.slice(before).map(({ changes }) => changes.map(({ kind }) => kind))).toEqual([
      ['delete elements'],
      ['flush chain', 'delete chain'],
    ])
    await put(programming, ['a', 'b'], ['203.0.113.0/24'])
    expect(programming.outcome({ from: 'c', to: '10.96.0.28:80' }).arrives).toEqual({ a: 0.5, b: 0.5 })
    expect(await programming.rules.repair()).toBe(false)
  })

  test('stays while it is needed now and then', async () => {
    const programming = new Programming()
    for (const pods of [['a', 'b'], ['a'], ['a', 'b'], ['a'], ['a', 'b'], ['a']] as const) {
      await put(programming, pods, [])
      await programming.rules.repair()
    }
    expect(names(programming)).toEqual(['choose-2', 'choose-1'])
  })

  test('of a former process goes too', async () => {
    const { kernel } = await new Programming().load(services, slices)
    const second = await new Programming({ kernel }).load([service('one', '10.96.0.1', [{}])], [slice('one', ['a'])])
    for (let i = 0; i < 2; i++) expect(await second.rules.repair()).toBe(false)
    expect(names(second)).toEqual(['choose-1'])
  })
})

test('any history of changes leaves the same as one full load', async () => {
  await fc.assert(
    fc.asyncProperty(historyArbitrary, async (history) => {
      const programming = new Programming()
      const end = await replay(history, async ({ name, service: one, slices: its }) => {
        programming.update(name, one, its)
        await programming.rules.apply()
      })
      const full = await new Programming().load(end.services, end.slices)
      // What nobody needs any more goes at the second look.
      for (let i = 0; i < 2; i++) expect(await programming.rules.repair()).toBe(false)
      expect(meaningOf(programming.kernel)).toEqual(meaningOf(full.kernel))
      expect(await programming.rules.repair()).toBe(false)
    }),
    { numRuns: 200 },
  )
})

test('the table of the whole scene, as it stands in the golden file', async () => {
  const { kernel } = await new Programming().load(services, slices)
  const text = kernel.transactions.map(transactionText).join('')
  const file = new URL('./testdata/scene.nft', import.meta.url)
  if (process.env.UPDATE_GOLDEN) writeFileSync(file, text)
  expect(text).toBe(readFileSync(file, 'utf8'))
})

test('a chain for each way of choosing', () => {
  expect(chooserChain({ endpoints: 3, affinitySeconds: undefined })).toBe('choose-3')
  expect(chooserChain({ endpoints: 3, affinitySeconds: 10_800 })).toBe('choose-3-for-10800s')
})
