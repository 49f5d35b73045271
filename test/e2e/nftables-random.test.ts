/** Any history of transactions leaves the fake as it leaves the kernel, refusals included. Needs root. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mustRun, systemExec } from '../../src/host/exec.ts'
import { type Libc, loadLibc } from '../../src/host/libc.ts'
import { type NftKernel, RefusedError } from '../../src/netfilter/nftables/kernel.ts'
import { openNetlinkKernel } from '../../src/netfilter/nftables/netlink-kernel.ts'
import type { BaseHook, Element, HeldTable, NftSet } from '../../src/netfilter/nftables/ruleset.ts'
import type { Statement } from '../../src/netfilter/nftables/statements.ts'
import { FakeNftables } from '../../src/netfilter/nftables/testing/fake-nftables.ts'
import { type Change, removeTable } from '../../src/netfilter/nftables/transaction.ts'
import { keyOf } from '../../src/netfilter/nftables/values.ts'

const plain: NftSet = { name: 'plain', key: ['ipv4_addr', 'inet_service'] }
const data: NftSet = { name: 'data', key: ['mark'], data: ['ipv4_addr', 'inet_service'], size: 3 }
const verdicts: NftSet = { name: 'verdicts', key: ['mark'], data: 'verdict' }
const counters: NftSet = { name: 'counters', key: ['ipv4_addr'], data: 'counter' }
const sets = [plain, data, verdicts, counters]
const table = { family: 'ip' as const, name: 'random', sets }

const chain = fc.constantFrom('a', 'b', 'c', 'base', 'after')
const small = fc.nat(4)
const address = small.map((last) => `10.0.0.${last}`)
const hooks: Record<string, BaseHook> = {
  base: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
  after: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
}
const verdict = fc.oneof(fc.constant('accept' as const), fc.record({ jump: chain }), fc.record({ goto: chain }))
const statement: fc.Arbitrary<Statement> = fc.oneof(
  fc.record({ kind: fc.constant('verdict' as const), verdict }),
  fc.constant<Statement>({ kind: 'vmap', key: 'meta mark', map: 'verdicts' }),
  fc.constant<Statement>({ kind: 'lookup', key: ['ip daddr', 'th dport'], set: 'plain' }),
  fc.constant<Statement>({ kind: 'dnat', to: { map: 'data', key: 'meta mark' } }),
  fc.constant<Statement>({ kind: 'counter', counter: 'one' }),
  fc.constant<Statement>({ kind: 'masquerade' }),
  fc.constant<Statement>({ kind: 'reject', with: 'port-unreachable' }),
)
/** Linux 6.18 refuses a chain that jumps to itself, and holds it busy ever after: the fake does not, and nobody here makes one. */
function leadsBack(one: Statement, from: string): boolean {
  if (one.kind !== 'verdict' || typeof one.verdict === 'string') return false
  return ('jump' in one.verdict ? one.verdict.jump : one.verdict.goto) === from
}
const mark = small.map((number) => keyOf(['mark'], number))
const element = (set: NftSet): fc.Arbitrary<Element> => {
  if (set === plain) return fc.tuple(address, small).map(([to, port]) => ({ key: keyOf(plain.key, to, port) }))
  if (set === data) return fc.record({ key: mark, data: address.map((to) => keyOf(['ipv4_addr', 'inet_service'], to, 80)) })
  if (set === verdicts) return fc.record({ key: mark, verdict })
  return fc.record({ key: address.map((to) => keyOf(['ipv4_addr'], to)), counter: fc.constantFrom('one', 'two') })
}
const anySet = fc.constantFrom(...sets)
const elements = anySet.chain((set) =>
  fc.record({ set: fc.constant(set), elements: fc.array(element(set), { minLength: 1, maxLength: 2 }) }),
)
const kind = <Kind extends Change['kind']>(of: Kind): fc.Arbitrary<Kind> => fc.constant(of)
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Change>({ kind: 'add table' }) },
  { weight: 1, arbitrary: fc.constant<Change>({ kind: 'delete table' }) },
  {
    weight: 6,
    arbitrary: chain.map((name): Change => ({ kind: 'add chain', chain: name, ...(hooks[name] ? { hook: hooks[name] } : {}) })),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('delete chain'), chain }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('flush chain'), chain }) },
  {
    weight: 8,
    arbitrary: fc
      .record({
        kind: kind('add rule'),
        chain,
        rule: fc.array(statement, { minLength: 1, maxLength: 1 }).map((statements) => ({ statements })),
      })
      .filter((added) => !added.rule.statements.some((one) => leadsBack(one, added.chain))),
  },
  { weight: 6, arbitrary: fc.record({ kind: kind('add set'), set: anySet }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('delete set'), set: anySet }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('flush set'), set: anySet }) },
  { weight: 10, arbitrary: elements.map((all): Change => ({ kind: 'add elements', ...all })) },
  { weight: 3, arbitrary: elements.map((all): Change => ({ kind: 'delete elements', ...all })) },
  { weight: 3, arbitrary: fc.record({ kind: kind('add counter'), counter: fc.constantFrom('one', 'two') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('delete counter'), counter: fc.constantFrom('one', 'two') }) },
)
const transaction = fc.array(change, { minLength: 1, maxLength: 3 })
/** Most histories begin with something to work on. */
const start: Change[] = [
  { kind: 'add table' },
  { kind: 'add counter', counter: 'one' },
  ...['a', 'b', 'base', 'after'].map((name): Change => ({ kind: 'add chain', chain: name, ...(hooks[name] ? { hook: hooks[name] } : {}) })),
  ...sets.map((set): Change => ({ kind: 'add set', set })),
]

/** Without what only says in which order things were made. */
function shape(held: HeldTable | undefined): unknown {
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)
  return (
    held && {
      chains: held.chains.map(({ name, hook, rules }) => ({ name, hook, rules: rules.map(({ expressions }) => expressions) })).sort(byName),
      sets: held.sets
        .map(({ name, elements }) => ({ name, elements: [...elements].sort((a, b) => (a.key < b.key ? -1 : 1)) }))
        .sort(byName),
      counters: held.counters.map(({ name }) => ({ name })).sort(byName),
    }
  )
}

async function outcomeOf(kernel: NftKernel, changes: readonly Change[]): Promise<unknown> {
  try {
    await kernel.apply({ table, changes })
    return 'taken'
  } catch (error) {
    if (error instanceof RefusedError) return error.code
    throw error
  }
}

describe('the fake and the kernel', () => {
  const name = `okk-${process.pid}-random`
  let real: NftKernel
  beforeAll(async () => {
    await mustRun(systemExec, 'ip', ['netns', 'add', name])
    real = openNetlinkKernel(loadLibc() as Libc, { namespace: `/run/netns/${name}` })
  })
  afterAll(async () => {
    real.close()
    await mustRun(systemExec, 'ip', ['netns', 'del', name])
  })

  it('agree after any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { minLength: 1, maxLength: 12 }), fc.nat(4), async (history, startsWith) => {
        await real.apply(removeTable('ip', 'random'))
        const fake = new FakeNftables().open()
        for (const changes of startsWith > 0 ? [start, ...history] : history) {
          expect(await outcomeOf(fake, changes)).toBe(await outcomeOf(real, changes))
          expect(shape(await fake.read('ip', 'random'))).toEqual(shape(await real.read('ip', 'random')))
        }
      }),
      { numRuns: 100, interruptAfterTimeLimit: 60_000 },
    )
  })
})
