import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EndpointSlice, Service } from '../../api/generated/types.ts'
import { silentLog } from '../../host/log.ts'
import { difference } from '../../netfilter/difference.ts'
import { FakeKernel } from '../../netfilter/fake-kernel.ts'
import { iptables } from '../../netfilter/iptables.ts'
import { type RuleSet, ruleSetText } from '../../netfilter/rules.ts'
import { ServiceTable } from '../service-table.ts'
import { cases6, services6, slices6 } from '../testing/ipv6-scenes.ts'
import { expectShares, sceneOf, tracedOutcome } from '../testing/outcomes.ts'
import { type Case, cases, endpoint, type PodName, service, services, slice, slices, world } from '../testing/scenes.ts'
import { chainHash, chainNames } from './chain-names.ts'
import type { DesiredContext } from './desired-rules.ts'
import { DesiredRules } from './iptables-rules.ts'
import { RuleSync } from './rule-sync.ts'

type Family = 'IPv4' | 'IPv6'

const context = (family: Family = 'IPv4'): DesiredContext => ({
  family,
  chains: chainNames(''),
  podTraffic: { by: 'source', cidr: sceneOf[family].podCidr },
  masqueradeAll: false,
  masqueradeBit: 14,
  nodePortAddresses: [sceneOf[family].nodeAddress],
  dropsInvalid: true,
  serviceCidrs: [sceneOf[family].serviceCidr],
  routeLocalnetWas: family === 'IPv4' ? '0' : undefined,
})

/** Services and what is wanted for them, as the proxy's loop puts them together. */
class Desired {
  readonly #table: ServiceTable
  readonly #desired: DesiredRules

  constructor(family: Family = 'IPv4', more: Partial<DesiredContext> = {}) {
    this.#table = new ServiceTable({ node: () => ({ name: world.node, zone: undefined }), family })
    this.#desired = new DesiredRules({ ...context(family), ...more })
  }

  update(key: string, one: Service | undefined, theirSlices: readonly EndpointSlice[]): void {
    this.#desired.update(key, this.#table.update(key, one, theirSlices).ports)
  }

  rules(): RuleSet {
    return this.#desired.rules()
  }
}

function tableOf(all: readonly Service[], theirSlices: readonly EndpointSlice[], table = new Desired()): Desired {
  for (const each of all) {
    const own = theirSlices.filter((one) => one.metadata.labels?.['kubernetes.io/service-name'] === each.metadata.name)
    table.update(`test/${each.metadata.name}`, each, own)
  }
  return table
}

function programming(tag = '', family: Family = 'IPv4') {
  const kernel = new FakeKernel({ addresses: [sceneOf[family].nodeAddress] })
  const sync = new RuleSync({ iptables: iptables({ exec: kernel, family }), chains: chainNames(tag), log: silentLog })
  return { kernel, sync }
}

async function kernelWith(
  all: readonly Service[],
  theirSlices: readonly EndpointSlice[],
  family: Family = 'IPv4',
  more: Partial<DesiredContext> = {},
): Promise<FakeKernel> {
  const { kernel, sync } = programming('', family)
  await sync.apply(tableOf(all, theirSlices, new Desired(family, more)).rules())
  return kernel
}

const outcomeOf = (kernel: FakeKernel, each: Case) => tracedOutcome((packet) => kernel.trace(packet), each)

describe('where packets go', async () => {
  const kernel = await kernelWith(services, slices)
  const kernel6 = kernelWith(services6, slices6, 'IPv6')
  test.each(cases)('$name', (each) => {
    const outcome = outcomeOf(kernel, each)
    expectShares(outcome.arrives, each.arrives)
    expect(outcome.source).toBe(each.source)
  })

  test.each(cases6)('IPv6: $name', async (each) => {
    const outcome = outcomeOf(await kernel6, each)
    expectShares(outcome.arrives, each.arrives)
    expect(outcome.source).toBe(each.source)
  })

  test('established connections are not refused when the last endpoint goes', () => {
    const outcomes = kernel.trace({
      from: 'network',
      protocol: 'tcp',
      source: world.pods.a,
      destination: '10.96.0.12',
      port: 80,
      state: 'ESTABLISHED',
    })
    expect(outcomes.map((outcome) => outcome.verdict)).toEqual(['arrives'])
  })

  test('what connection tracking cannot place is dropped, before it leaves untranslated (kubernetes#117924)', () => {
    const outcomes = kernel.trace({
      from: 'network',
      protocol: 'tcp',
      source: world.pods.a,
      destination: world.pods.far,
      port: 8080,
      state: 'INVALID',
    })
    expect(outcomes.map((outcome) => outcome.verdict)).toEqual(['dropped'])
  })

  test('the network cannot come in by the localhost node port', () => {
    const outcomes = kernel.trace({ from: 'network', protocol: 'tcp', source: world.outside, destination: '127.0.0.1', port: 30001 })
    expect(outcomes.map((outcome) => outcome.verdict)).toEqual(['dropped'])
  })

  test('headless and ExternalName Services leave no trace', () => {
    expect(kernel.save()).not.toMatch(/test\/(headless|named)/)
  })
})

describe('settings', () => {
  const masqueraded = async (more: Partial<DesiredContext>, packet: { source: string; interface?: string }): Promise<boolean> => {
    const kernel = await kernelWith(services, slices, 'IPv4', more)
    const outcomes = kernel.trace({ from: 'network', protocol: 'tcp', destination: '10.96.0.10', port: 80, ...packet })
    expect(outcomes.every((outcome) => outcome.verdict === 'arrives')).toBe(true)
    return outcomes.every((outcome) => outcome.masqueraded)
  }
  const far = { source: world.pods.far }
  const outside = { source: world.outside }

  test('masquerade all', async () => expect(await masqueraded({ masqueradeAll: true }, far)).toBe(true))
  test('nothing tells pods from others: nothing is masqueraded', async () =>
    expect(await masqueraded({ podTraffic: undefined }, outside)).toBe(false))
  test.each([
    ['br0', 'br0', false],
    ['br0', 'eth0', true],
    ['cali*', 'cali123', false],
    ['cali*', 'eth0', true],
  ])('pods come in by %s: what comes in by %s', async (name, came, expected) =>
    expect(await masqueraded({ podTraffic: { by: 'interface', name } }, { ...outside, interface: came })).toBe(expected),
  )
  test('another bit of the mark, the last one too', async () => {
    expect(await masqueraded({ masqueradeBit: 31 }, outside)).toBe(true)
    const kernel = await kernelWith([], [], 'IPv4', { masqueradeBit: 31 })
    expect(kernel.save()).toContain('0x80000000/0x80000000')
  })
  test('node ports only in ranges of the node’s addresses, or on all', async () => {
    const reached = async (...nodePortAddresses: string[]): Promise<boolean> => {
      const kernel = await kernelWith(services, slices, 'IPv4', { nodePortAddresses, routeLocalnetWas: undefined })
      const outcomes = kernel.trace({ from: 'network', protocol: 'tcp', destination: world.nodeAddress, port: 30001, ...outside })
      return outcomes.every((outcome) => Object.values(world.pods).some((pod) => outcome.to === `${pod}:8080`))
    }
    expect(await reached('192.168.0.0/16')).toBe(true)
    expect(await reached('10.0.0.0/8')).toBe(false)
    expect(await reached()).toBe(true)
  })
})

test('a Service of another proxy is left alone', async () => {
  const theirs = service('web', '10.96.0.10', [{}])
  theirs.metadata.labels = { 'service.kubernetes.io/service-proxy-name': 'other' }
  const kernel = await kernelWith([theirs], [slice('web', ['a'])])
  expect(kernel.save()).not.toContain('10.96.0.10')
})

test('session affinity: a client stays until the time is over or its endpoint goes', async () => {
  let now = 0
  const kernel = new FakeKernel({ addresses: [world.nodeAddress], now: () => now })
  const sync = new RuleSync({ iptables: iptables({ exec: kernel }), chains: chainNames(''), log: silentLog })
  const sticky = services.filter((each) => each.metadata.name === 'sticky')
  const table = tableOf(sticky, slices)
  await sync.apply(table.rules())
  const packet = { from: 'network', protocol: 'tcp', source: world.pods.far, destination: '10.96.0.17', port: 80 } as const
  const toA = `${world.pods.a}:8080`
  const toB = `${world.pods.b}:8080`
  expect(kernel.connect(packet, 0.9).to).toBe(toB)
  now = 90_000
  expect(kernel.connect(packet, 0.1).to).toBe(toB) // and refreshed
  now = 180_000
  expect(kernel.trace(packet).map((outcome) => outcome.to)).toEqual([toB])
  now = 300_000
  expect(kernel.trace(packet)).toHaveLength(2)
  kernel.connect(packet, 0.9)
  table.update('test/sticky', sticky[0], [slice('sticky', ['a'])])
  await sync.apply(table.rules())
  expect(kernel.trace(packet).map((outcome) => outcome.to)).toEqual([toA])
})

test('shares stay equal through every change of the endpoints', async () => {
  const { kernel, sync } = programming()
  const web = service('web', '10.96.0.10', [{}])
  const table = new Desired()
  const sets: PodName[][] = [['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'c', 'far'], ['b'], ['a', 'b', 'c', 'far'], ['far', 'c', 'b']]
  for (const pods of sets) {
    table.update('test/web', web, [slice('web', pods)])
    await sync.apply(table.rules())
    const { arrives } = outcomeOf(kernel, { name: '', from: 'outside', to: '10.96.0.10:80', arrives: {} })
    expectShares(arrives, Object.fromEntries(pods.map((pod) => [pod, 1 / pods.length])))
  }
})

test('a recreated pod leaves nothing of its old address', async () => {
  const { kernel, sync } = programming()
  const web = service('web', '10.96.0.10', [{}])
  const table = tableOf([web], [slice('web', ['a', 'b'])])
  await sync.apply(table.rules())
  expect(kernel.save()).toContain(world.pods.a)
  table.update('test/web', web, [slice('web', ['b', 'c'])])
  await sync.apply(table.rules())
  expect(kernel.save()).not.toContain(world.pods.a)
  expect(kernel.chains('nat').filter((chain) => chain.startsWith('KUBE-SEP-'))).toHaveLength(2)
})

test('two Services with the same port name both get their endpoints', async () => {
  const kernel = await kernelWith(
    [service('one', '10.96.0.1', [{ name: 'http' }]), service('two', '10.96.0.2', [{ name: 'http' }])],
    [slice('one', ['a'], [{ name: 'http' }]), slice('two', ['b'], [{ name: 'http' }])],
  )
  expect(outcomeOf(kernel, { name: '', from: 'far', to: '10.96.0.1:80', arrives: {} }).arrives).toEqual({ a: 1 })
  expect(outcomeOf(kernel, { name: '', from: 'far', to: '10.96.0.2:80', arrives: {} }).arrives).toEqual({ b: 1 })
})

test('one endpoint replaced sends the chains of that Service alone', async () => {
  const table = tableOf(services, slices)
  const before = table.rules()
  table.update(
    'test/two',
    services.find((each) => each.metadata.name === 'two'),
    [slice('two', ['b'], [{ name: 'http' }, { name: 'admin', port: 8081 }])],
  )
  const change = difference(before, table.rules())
  expect(change).toMatchObject({ chainsWritten: 4, chainsRemoved: 2, rulesWritten: 8 })
  expect(change?.text).not.toContain('KUBE-SERVICES')
})

test('the rules of the whole scene, as they stand in the golden file', () => {
  const text = ruleSetText(tableOf(services, slices).rules())
  const file = new URL('./testdata/scene.iptables', import.meta.url)
  if (process.env.UPDATE_GOLDEN) writeFileSync(file, text)
  expect(text).toBe(readFileSync(file, 'utf8'))
})

test('any history of changes leaves the same rules as one full load, and no history leaves anything', async () => {
  const pods = fc.subarray(Object.keys(world.pods) as PodName[])
  const change = fc.record({
    which: fc.integer({ min: 0, max: 4 }),
    exists: fc.boolean(),
    udp: fc.boolean(),
    nodePort: fc.boolean(),
    local: fc.boolean(),
    affinity: fc.boolean(),
    pods,
    ending: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (history) => {
      const { kernel, sync } = programming()
      const table = new Desired()
      const state = new Map<string, [Service, EndpointSlice]>()
      for (const step of history) {
        const name = `s${step.which}`
        const protocol = step.udp ? 'UDP' : 'TCP'
        const port = { protocol, ...(step.nodePort ? { nodePort: 30100 + step.which } : {}) }
        const one = service(name, `10.96.1.${step.which}`, [port], {
          externalTrafficPolicy: step.local ? 'Local' : 'Cluster',
          sessionAffinity: step.affinity ? 'ClientIP' : 'None',
        })
        const conditions = step.ending ? { ready: false, terminating: true } : {}
        const itsSlice = slice(
          name,
          step.pods.map((pod) => endpoint(pod, conditions)),
          [{ protocol }],
        )
        if (step.exists) state.set(name, [one, itsSlice])
        else state.delete(name)
        table.update(`test/${name}`, step.exists ? one : undefined, step.exists ? [itsSlice] : [])
        await sync.apply(table.rules())
      }
      const fresh = tableOf(
        [...state.values()].map(([one]) => one),
        [...state.values()].map(([, its]) => its),
      )
      const full = programming()
      await full.sync.apply(fresh.rules())
      expect(sortedSave(kernel)).toEqual(sortedSave(full.kernel))
    }),
    { numRuns: 60 },
  )
})

/** Chains by name: their order in the kernel is that of their creation and means nothing. */
function sortedSave(kernel: FakeKernel): Record<string, readonly unknown[]> {
  const tables = ['nat', 'filter'] as const
  const builtin = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']
  return Object.fromEntries(
    tables.flatMap((table) =>
      [...kernel.chains(table), ...builtin].sort().map((chain) => [`${table} ${chain}`, kernel.rules(table, chain)]),
    ),
  )
}

describe('chain names', () => {
  test('are the known hashes', () => {
    expect(chainNames('').service('default/kubernetes:https', 'tcp')).toBe('KUBE-SVC-NPX46M4PTMTKRN6Y')
    expect(chainNames('').service('kube-system/kube-dns:dns', 'udp')).toBe('KUBE-SVC-TCOU7JCQXEZGVUNU')
    expect(chainHash('')).toHaveLength(16)
  })
  test('fit the kernel with the longest tag, and keep clusters apart', () => {
    const [plain, tagged] = [chainNames(''), chainNames('a1f')]
    expect(tagged.service('a/b:c', 'tcp')).toHaveLength(28)
    expect(tagged.owns(plain.services) || plain.owns(tagged.services) || plain.owns('KUBE-KUBELET-CANARY')).toBe(false)
    expect(() => chainNames('long')).toThrow(/chain tag/)
  })
})
