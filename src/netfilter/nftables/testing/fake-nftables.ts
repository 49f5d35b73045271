import type { Bytes } from '../../netlink/message.ts'
import type { Packet } from '../../trace.ts'
import { compileRule } from '../compile.ts'
import { keyLength } from '../data-types.ts'
import type { Expression, Verdict } from '../expressions.ts'
import { type NftKernel, RefusedError, tableName } from '../kernel.ts'
import type { BaseHook, Element, Family, HeldElement, HeldTable, HookName, NftSet } from '../ruleset.ts'
import { type TracedHost, traceNftables } from '../trace.ts'
import type { TracedOutcome } from '../traced-outcome.ts'
import type { Change, Transaction } from '../transaction.ts'

interface FakeSet {
  spec: NftSet
  elements: Map<Bytes, Element & { expiresAt?: number }>
}
interface FakeRule {
  handle: number
  expressions: Expression[]
  comment?: string
}
interface FakeChain {
  hook: BaseHook | undefined
  rules: FakeRule[]
}
interface FakeTable {
  family: Family
  name: string
  sets: Map<string, FakeSet>
  chains: Map<string, FakeChain>
  counters: Set<string>
}

/** Where each translating or refusing expression may stand: chains of other hooks that lead to it are refused. */
const hooksFor: Partial<Record<Expression['name'], readonly HookName[]>> = {
  masq: ['postrouting'],
  redir: ['prerouting', 'output'],
  reject: ['input', 'forward', 'output', 'prerouting'],
}
const depthAtMost = 16

class Refusal extends Error {
  readonly code: string
  readonly element: number
  constructor(code: string, element = 0) {
    super(code)
    this.code = code
    this.element = element
  }
}

/**
 * The nftables of one namespace, in memory: transactions with the kernel's atomicity and its refusals, dumps, word of others' changes; and a
 * tracer in place of packets. Passes the same contract as the real one.
 */
export class FakeNftables {
  readonly #tables = new Map<string, FakeTable>()
  readonly #watchers = new Set<{ owner: NftKernel; table: string; run: () => void }>()
  readonly #addresses: readonly string[]
  readonly #now: () => number
  #handle = 0
  /** The next transactions are refused with these errnos, one entry each. */
  failures: string[] = []
  /** Every transaction that was taken. */
  readonly transactions: Transaction[] = []

  constructor(options: { addresses?: readonly string[]; now?: () => number } = {}) {
    this.#addresses = options.addresses ?? []
    this.#now = options.now ?? (() => 0)
  }

  /** A way in, as a process has one; whoever changes something through another is told of. */
  open(): NftKernel {
    const kernel: NftKernel = {
      readsBack: true,
      apply: async (transaction) => this.#apply(kernel, transaction),
      read: async (family, table) => this.#held(this.#tables.get(tableName(family, table))),
      readAll: async () => this.#allHeld(),
      whenChangedByOthers: (family, table, run) => {
        const watcher = { owner: kernel, table: tableName(family, table), run }
        this.#watchers.add(watcher)
        return () => this.#watchers.delete(watcher)
      },
      close: () => {
        for (const watcher of this.#watchers) if (watcher.owner === kernel) this.#watchers.delete(watcher)
      },
    }
    return kernel
  }

  /** `nft flush ruleset`, by somebody else. */
  flush(): void {
    const names = [...this.#tables.keys()]
    this.#tables.clear()
    for (const name of names) this.#tell(undefined, name)
  }

  /** All tables, as {@link NftKernel.readAll} tells them. */
  held(): HeldTable[] {
    return this.#allHeld()
  }

  trace(packet: Packet & { sourcePort?: number }): TracedOutcome[] {
    return traceNftables(this.#host(), packet)
  }

  /** Opens a connection for which chance falls on `at` (0 up to 1), with all that it leaves in sets. */
  connect(packet: Packet & { sourcePort?: number }, at: number): TracedOutcome {
    const outcomes = this.trace(packet)
    let sum = 0
    const reached = outcomes.find((each) => {
      sum += each.probability
      return sum > at
    })
    const outcome = reached ?? (outcomes.at(-1) as TracedOutcome)
    for (const { table, set, op, key, data, timeoutMs } of outcome.updates) {
      const held = this.#tables.get(table)?.sets.get(set)
      if (held === undefined) continue
      if (op === 'delete') held.elements.delete(key)
      else if (op === 'update' || !this.#alive(held.elements.get(key))) {
        const expiresAt = timeoutMs === undefined ? {} : { expiresAt: this.#now() + timeoutMs, timeoutMs }
        // The kernel leaves the data of an element that is there as it was.
        const before = this.#alive(held.elements.get(key)) ? held.elements.get(key)?.data : undefined
        const kept = before ?? data
        held.elements.set(key, { key, ...(kept === undefined ? {} : { data: kept }), ...expiresAt })
      }
    }
    return outcome
  }

  #host(): TracedHost {
    return {
      tables: this.#allHeld(),
      isLocal: (address) => address.startsWith('127.') || address === '::1' || this.#addresses.includes(address),
    }
  }

  #apply(owner: NftKernel, transaction: Transaction): void {
    const { family, name } = transaction.table
    const undo: (() => void)[] = []
    const draft = new Draft(this.#tables, transaction.table, () => ++this.#handle, undo)
    let at: Change | undefined
    try {
      const failure = this.failures.shift()
      if (failure !== undefined) throw new Refusal(failure)
      for (const change of transaction.changes) {
        at = change
        draft.change(change)
      }
      at = undefined
      const table = this.#tables.get(tableName(family, name))
      if (table !== undefined) checkPaths(table)
    } catch (error) {
      for (const step of undo.reverse()) step()
      if (error instanceof Refusal) throw new RefusedError(transaction, error.code, at, error.element)
      throw error
    }
    if (transaction.changes.length === 0) return
    this.transactions.push(transaction)
    this.#tell(owner, tableName(family, name))
  }

  #tell(owner: NftKernel | undefined, table: string): void {
    for (const watcher of this.#watchers) if (watcher.owner !== owner && watcher.table === table) queueMicrotask(watcher.run)
  }

  #alive(element: { expiresAt?: number } | undefined): boolean {
    return element !== undefined && (element.expiresAt === undefined || element.expiresAt > this.#now())
  }

  #allHeld(): HeldTable[] {
    return [...this.#tables.values()].map((table) => this.#held(table) as HeldTable)
  }

  #held(table: FakeTable | undefined): HeldTable | undefined {
    if (table === undefined) return undefined
    return {
      family: table.family,
      name: table.name,
      dormant: false,
      sets: [...table.sets.values()].map(({ spec, elements }) => ({
        ...spec,
        // The kernel knows no name for numgen's numbers.
        key: spec.key.map((type) => (type === 'index' ? 'mark' : type)),
        keyLength: keyLength(spec.key),
        dataLength: spec.data === 'verdict' ? 16 : spec.data === undefined || spec.data === 'counter' ? 0 : keyLength(spec.data),
        anonymous: false,
        ...(spec.interval && spec.key.length > 1 ? { concatenated: true as const } : {}),
        elements: [...elements.values()]
          .filter((element) => this.#alive(element))
          .map((element) => heldElement(spec, element, this.#now())),
      })),
      chains: [...table.chains].map(([name, { hook, rules }]) => ({
        name,
        ...(hook === undefined ? {} : { hook: { policy: 'accept' as const, ...hook } }),
        rules: rules.map((rule) => ({
          ...rule,
          ...(rule.expressions.some((e) => e.name === 'counter') ? { counted: { packets: 0, bytes: 0 } } : {}),
        })),
      })),
      counters: [...table.counters].map((name) => ({ name, packets: 0, bytes: 0 })),
    }
  }
}

function heldElement(spec: NftSet, { expiresAt, ...element }: Element & { expiresAt?: number }, now: number): HeldElement {
  return {
    ...element,
    ...(expiresAt === undefined ? {} : { expiresMs: expiresAt - now }),
    ...(spec.counter ? { packets: 0, bytes: 0 } : {}),
  }
}

/** One transaction's changes, made in place, each with its way back. */
class Draft {
  readonly #tables: Map<string, FakeTable>
  readonly #of: Transaction['table']
  readonly #handle: () => number
  readonly #undo: (() => void)[]

  constructor(tables: Map<string, FakeTable>, of: Transaction['table'], handle: () => number, undo: (() => void)[]) {
    this.#tables = tables
    this.#of = of
    this.#handle = handle
    this.#undo = undo
  }

  change(change: Change): void {
    const { family, name } = this.#of
    if (change.kind === 'add table') {
      if (this.#tables.has(tableName(family, name))) return
      const table = { family, name, sets: new Map(), chains: new Map(), counters: new Set<string>() }
      this.#set(this.#tables, tableName(family, name), table)
      return
    }
    const table = this.#tables.get(tableName(family, name))
    if (table === undefined) throw new Refusal('ENOENT')
    switch (change.kind) {
      case 'delete table':
        this.#delete(this.#tables, tableName(family, name))
        return
      case 'add set':
      case 'delete set':
      case 'flush set':
      case 'add elements':
      case 'delete elements':
        this.#changeSet(table, change)
        return
      case 'add counter':
        if (!table.counters.has(change.counter)) this.#setMember(table.counters, change.counter, true)
        return
      case 'delete counter':
        this.#deleteCounter(table, change.counter)
        return
      default:
        this.#changeChain(table, change)
        return
    }
  }

  #changeChain(table: FakeTable, change: Extract<Change, { chain: string }>): void {
    const chain = table.chains.get(change.chain)
    if (change.kind === 'add chain') {
      if (chain === undefined) this.#set(table.chains, change.chain, { hook: change.hook, rules: [] })
      else if (change.hook !== undefined && JSON.stringify(chain.hook) !== JSON.stringify(change.hook)) throw new Refusal('EEXIST')
      return
    }
    if (chain === undefined) throw new Refusal('ENOENT')
    switch (change.kind) {
      case 'delete chain':
        this.#replaceRules(chain, [])
        if (verdictsOf(table).some((verdict) => targetOf(verdict) === change.chain)) throw new Refusal('EBUSY')
        this.#delete(table.chains, change.chain)
        return
      case 'flush chain':
        this.#replaceRules(chain, [])
        return
      case 'delete rule':
        if (!chain.rules.some(({ handle }) => handle === change.handle)) throw new Refusal('ENOENT')
        this.#replaceRules(
          chain,
          chain.rules.filter(({ handle }) => handle !== change.handle),
        )
        return
      case 'add rule': {
        const expressions = compileRule(this.#of, change.rule)
        checkNames(table, expressions)
        const comment = change.rule.comment === undefined ? {} : { comment: change.rule.comment }
        this.#replaceRules(chain, [...chain.rules, { handle: this.#handle(), expressions, ...comment }])
        return
      }
    }
  }

  #replaceRules(chain: FakeChain, rules: FakeRule[]): void {
    const before = chain.rules
    chain.rules = rules
    this.#undo.push(() => {
      chain.rules = before
    })
  }

  #changeSet(table: FakeTable, change: Extract<Change, { set: NftSet }>): void {
    const set = table.sets.get(change.set.name)
    if (change.kind === 'add set') {
      if (set === undefined) this.#set(table.sets, change.set.name, { spec: change.set, elements: new Map() })
      else if (JSON.stringify(set.spec) !== JSON.stringify(change.set)) throw new Refusal('EEXIST')
      return
    }
    if (set === undefined) throw new Refusal('ENOENT')
    switch (change.kind) {
      case 'delete set':
        if (expressionsOf(table).some((e) => 'set' in e && e.set === change.set.name)) throw new Refusal('EBUSY')
        this.#delete(table.sets, change.set.name)
        return
      case 'flush set':
        for (const key of [...set.elements.keys()]) this.#delete(set.elements, key)
        return
      case 'add elements':
        for (const [index, element] of change.elements.entries()) this.#addElement(table, set, element, index)
        return
      case 'delete elements':
        for (const [index, { key, end = key }] of change.elements.entries()) {
          const held = set.elements.get(key)
          if (held === undefined || (held.end ?? held.key) !== end) throw new Refusal('ENOENT', index)
          this.#delete(set.elements, key)
        }
    }
  }

  #addElement(table: FakeTable, set: FakeSet, element: Element, index: number): void {
    checkElement(table, set.spec, element, index)
    const held = set.elements.get(element.key)
    if (held !== undefined) {
      const same = held.data === element.data && held.counter === element.counter && (held.end ?? held.key) === (element.end ?? element.key)
      if (!same || JSON.stringify(held.verdict) !== JSON.stringify(element.verdict)) throw new Refusal('EEXIST', index)
      return
    }
    if (set.spec.size !== undefined && set.elements.size >= set.spec.size) throw new Refusal('ENFILE', index)
    if (set.spec.interval && set.spec.key.length === 1) {
      const [low, high] = [element.key, element.end ?? element.key]
      for (const other of set.elements.values()) {
        if (low <= (other.end ?? other.key) && high >= other.key) throw new Refusal('EEXIST', index)
      }
    }
    this.#set(set.elements, element.key, element)
  }

  #deleteCounter(table: FakeTable, counter: string): void {
    if (!table.counters.has(counter)) throw new Refusal('ENOENT')
    const byRule = expressionsOf(table).some((e) => e.name === 'objref' && 'object' in e && e.object === counter)
    const byElement = [...table.sets.values()].some(({ elements }) => [...elements.values()].some((element) => element.counter === counter))
    if (byRule || byElement) throw new Refusal('EBUSY')
    this.#setMember(table.counters, counter, false)
  }

  #set<K, V>(map: Map<K, V>, key: K, value: V): void {
    map.set(key, value)
    this.#undo.push(() => map.delete(key))
  }

  #delete<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key) as V
    map.delete(key)
    this.#undo.push(() => map.set(key, before))
  }

  #setMember<V>(set: Set<V>, value: V, member: boolean): void {
    if (member) set.add(value)
    else set.delete(value)
    this.#undo.push(() => (member ? set.delete(value) : set.add(value)))
  }
}

const expressionsOf = (table: FakeTable): Expression[] =>
  [...table.chains.values()].flatMap(({ rules }) => rules.flatMap(({ expressions }) => expressions))

const targetOf = (verdict: Verdict): string | undefined =>
  typeof verdict === 'string' ? undefined : 'jump' in verdict ? verdict.jump : verdict.goto

function verdictsOf(table: FakeTable): Verdict[] {
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

function checkNames(table: FakeTable, expressions: readonly Expression[]): void {
  for (const e of expressions) {
    if ('set' in e && !table.sets.has(e.set)) throw new Refusal('ENOENT')
    if (e.name === 'objref' && 'object' in e && !table.counters.has(e.object)) throw new Refusal('ENOENT')
    if (e.name === 'immediate' && 'verdict' in e) checkTarget(table, e.verdict)
  }
}

function checkElement(table: FakeTable, spec: NftSet, { key, end, data, verdict, counter }: Element, index: number): void {
  const length = keyLength(spec.key)
  if (key.length !== length || (end !== undefined && end.length !== length)) throw new Refusal('EINVAL', index)
  const dataLength = Array.isArray(spec.data) ? keyLength(spec.data) : undefined
  if (data?.length !== dataLength || (verdict !== undefined) !== (spec.data === 'verdict')) throw new Refusal('EINVAL', index)
  if ((counter !== undefined) !== (spec.data === 'counter')) throw new Refusal('EINVAL', index)
  if (counter !== undefined && !table.counters.has(counter)) throw new Refusal('ENOENT', index)
  if (verdict !== undefined) checkTarget(table, verdict, index)
}

/** What the kernel looks through when it takes a transaction: every way from every base chain. */
function checkPaths(table: FakeTable): void {
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
