import { keyLength } from '../data-types.ts'
import type { Expression, Verdict } from '../expressions.ts'
import type { BaseHook, Element, HookName, NftSet } from '../ruleset.ts'
import { type FakeChain, type FakeSet, type FakeTable, Refusal } from './fake-table.ts'

/** Where each translating or refusing expression may stand: chains of other hooks that lead to it are refused. */
const hooksFor: Partial<Record<Expression['name'], readonly HookName[]>> = {
  masq: ['postrouting'],
  redir: ['prerouting', 'output'],
  reject: ['input', 'forward', 'output', 'prerouting'],
}
const depthAtMost = 16

export const expressionsOf = (table: FakeTable): Expression[] =>
  [...table.chains.values()].flatMap(({ rules }) => rules.flatMap(({ expressions }) => expressions))

export const targetOf = (verdict: Verdict): string | undefined =>
  typeof verdict === 'string' ? undefined : 'jump' in verdict ? verdict.jump : verdict.goto

export function verdictsOf(table: FakeTable): Verdict[] {
  const byRules = expressionsOf(table).flatMap((e) => (e.name === 'immediate' && 'verdict' in e ? [e.verdict] : []))
  return [...byRules, ...[...table.sets.values()].flatMap((set) => verdictsIn(set))]
}

function verdictsIn({ spec, elements }: FakeSet): Verdict[] {
  return spec.data === 'verdict' ? [...elements.values()].flatMap(({ verdict }) => verdict ?? []) : []
}

function checkTarget(table: FakeTable, verdict: Verdict, element = 0): void {
  const target = targetOf(verdict)
  if (target === undefined) return
  const chain = table.chains.get(target)
  if (chain === undefined) throw new Refusal('ENOENT', element)
  if (chain.hook !== undefined) throw new Refusal('EOPNOTSUPP', element)
}

export function checkNames(table: FakeTable, expressions: readonly Expression[]): void {
  for (const e of expressions) {
    if ('set' in e && !table.sets.has(e.set)) throw new Refusal('ENOENT')
    if (e.name === 'objref' && 'object' in e && !table.counters.has(e.object)) throw new Refusal('ENOENT')
    if (e.name === 'immediate' && 'verdict' in e) checkTarget(table, e.verdict)
  }
}

export function checkElement(table: FakeTable, spec: NftSet, { key, end, data, verdict, counter }: Element, index: number): void {
  const length = keyLength(spec.key)
  if (key.length !== length || (end !== undefined && end.length !== length)) throw new Refusal('EINVAL', index)
  const dataLength = Array.isArray(spec.data) ? keyLength(spec.data) : undefined
  if (data?.length !== dataLength || (verdict !== undefined) !== (spec.data === 'verdict')) throw new Refusal('EINVAL', index)
  if ((counter !== undefined) !== (spec.data === 'counter')) throw new Refusal('EINVAL', index)
  if (counter !== undefined && !table.counters.has(counter)) throw new Refusal('ENOENT', index)
  if (verdict !== undefined) checkTarget(table, verdict, index)
}

/** What the kernel looks through when it takes a transaction: every way from every base chain. */
export function checkPaths(table: FakeTable): void {
  for (const [name, { hook }] of table.chains) if (hook !== undefined) checkPath(table, name, hook, [])
}

function checkPath(table: FakeTable, name: string, hook: BaseHook, trail: readonly string[]): void {
  if (trail.length === depthAtMost) throw new Refusal('EMLINK')
  const chain = table.chains.get(name) as FakeChain
  const targets = new Set<string>()
  for (const e of chain.rules.flatMap(({ expressions }) => expressions)) {
    checkHook(e, hook)
    const set = e.name === 'lookup' && e.into === 'verdict' ? table.sets.get(e.set) : undefined
    const verdicts = e.name === 'immediate' && 'verdict' in e ? [e.verdict] : set === undefined ? [] : verdictsIn(set)
    for (const verdict of verdicts) {
      const target = targetOf(verdict)
      if (target !== undefined) targets.add(target)
    }
  }
  for (const target of targets) checkPath(table, target, hook, [...trail, name])
}

function checkHook(e: Expression, { type, hook }: BaseHook): void {
  const translates = e.name === 'nat' || e.name === 'masq' || e.name === 'redir'
  const nat: readonly HookName[] = e.name === 'nat' && e.type === 'snat' ? ['postrouting', 'input'] : ['prerouting', 'output']
  const allowed = e.name === 'nat' ? nat : hooksFor[e.name]
  if ((translates && type !== 'nat') || (allowed !== undefined && !allowed.includes(hook))) throw new Refusal('EOPNOTSUPP')
}
