import type { Packet } from '../../trace.ts'
import { keyLength } from '../data-types.ts'
import { type NftKernel, RefusedError, tableName } from '../kernel.ts'
import type { Element, HeldElement, HeldTable, NftSet } from '../ruleset.ts'
import { type TracedHost, traceNftables } from '../trace.ts'
import type { TracedOutcome } from '../traced-outcome.ts'
import type { Change, Transaction } from '../transaction.ts'
import { checkPaths } from './fake-checks.ts'
import { Draft } from './fake-draft.ts'
import { type FakeTable, Refusal } from './fake-table.ts'

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

  /** A way in, as a process has one; whoever changes something through another is told of. `readsBack` false: as the program nft has it. */
  open({ readsBack = true } = {}): NftKernel {
    const kernel: NftKernel = {
      readsBack,
      apply: async (transaction) => this.#apply(kernel, transaction),
      read: async (family, table) => {
        const held = this.#held(this.#tables.get(tableName(family, table)))
        return readsBack ? held : held && namesOf(held)
      },
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

const namesOf = (held: HeldTable): HeldTable => ({
  ...held,
  sets: held.sets.map(({ name }) => ({ name, key: undefined, keyLength: 0, dataLength: 0, anonymous: false, elements: [] })),
  chains: held.chains.map(({ name }) => ({ name, rules: [] })),
})

function heldElement(spec: NftSet, { expiresAt, ...element }: Element & { expiresAt?: number }, now: number): HeldElement {
  return {
    ...element,
    ...(expiresAt === undefined ? {} : { expiresMs: expiresAt - now }),
    ...(spec.counter ? { packets: 0, bytes: 0 } : {}),
  }
}
