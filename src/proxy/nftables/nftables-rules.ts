import type { Exec } from '../../host/exec.ts'
import type { Log } from '../../host/log.ts'
import { type NftKernel, RefusedError } from '../../netfilter/nftables/kernel.ts'
import type { Element, HeldTable, NftSet, Table } from '../../netfilter/nftables/ruleset.ts'
import { type Change, createTable, replaceTable, type Transaction } from '../../netfilter/nftables/transaction.ts'
import { openLocalnet } from '../route-localnet.ts'
import type { Applied, PortWithChoice, RuleSettings, ServiceRules } from '../service-rules.ts'
import { chooserChain } from './choosers.ts'
import { foundIn, rememberedClients } from './held-table.ts'
import { ServiceElements } from './service-elements.ts'
import * as sets from './set-names.ts'
import { chooserChainOf, chooserElements, fixedElements, nftFamily, type SkeletonContext, skeleton } from './skeleton.ts'
import { changesOf, changesOfUnread, elementChanges } from './table-changes.ts'

export interface NftablesRulesOptions extends RuleSettings {
  kernel: NftKernel
  exec: Exec
  log: Log
  /** What route_localnet was before localhost node ports turned it on; undefined: no localhost node ports. */
  routeLocalnetWas: '0' | '1' | undefined
  /** Someone else touched our table: to be called when {@link ServiceRules.repair} should look. */
  onChangedByOthers(): void
}

/** What of chains and sets depends on Services. */
interface Shape {
  readonly choosers: ReadonlySet<number>
  readonly rangeBits: ReadonlySet<number>
}

/**
 * One table of our own. What Services want is kept as elements; a change goes to the kernel as one transaction that holds that change
 * alone. Where the kernel's state is not known (at first, after a refusal, when someone else changed it) it is read and what differs
 * is written: what a former process left is taken over.
 */
export class NftablesRules implements ServiceRules {
  readonly family: RuleSettings['family']
  readonly isTold = true
  readonly #options: NftablesRulesOptions
  readonly #elements: ServiceElements
  /** Services told since the last apply. */
  readonly #pending = new Map<string, readonly PortWithChoice[]>()
  /** What the kernel has of choosers (by code) and prefix lengths; undefined: its state is not known. */
  #applied: Shape | undefined
  readonly #stopWatching: () => void
  #isFirst = true
  #isDisturbed = false
  #localnetIsOpen: boolean

  constructor(options: NftablesRulesOptions) {
    this.family = options.family
    this.#options = options
    this.#localnetIsOpen = options.routeLocalnetWas === undefined
    this.#elements = new ServiceElements({ family: options.family, node: options.node })
    this.#stopWatching = options.kernel.whenChangedByOthers(nftFamily(this.family), sets.tableName(options.tag), () => {
      this.#isDisturbed = true
      options.onChangedByOthers()
    })
  }

  update(key: string, ports: readonly PortWithChoice[]): void {
    this.#pending.set(key, ports)
  }

  async apply(): Promise<Applied | undefined> {
    const applied = await this.#apply()
    if (!this.#localnetIsOpen) await this.#openLocalnet()
    return applied
  }

  /** Not before its guard is in the kernel. */
  async #openLocalnet(): Promise<void> {
    if (this.#options.routeLocalnetWas !== undefined) await openLocalnet(this.#options.exec)
    this.#localnetIsOpen = true
  }

  async #apply(): Promise<Applied | undefined> {
    if (!this.#applied) return await this.#reconcile()
    this.#takePending()
    const transaction = this.#changes(this.#applied)
    if (!transaction) return undefined
    this.#applied = undefined // a refusal is reason to look
    try {
      await this.#options.kernel.apply(transaction)
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      this.#options.log.warn('the kernel refused a change of the Service rules; comparing all', { error })
      return await this.#reconcile()
    }
    this.#noteApplied()
    return countOf(transaction)
  }

  async repair(): Promise<boolean> {
    // Where nothing can be read, to be sure is to write all of it: only for a reason.
    if (this.#options.kernel.readsBack || this.#isDisturbed || !this.#applied) {
      this.#isDisturbed = false
      const applied = await this.#reconcile()
      if (applied) this.#options.log.warn('someone else changed the Service rules; put back', { ...applied })
      if (applied) {
        // Whoever took the guard away may have shut it, as a clean-up does.
        await this.#openLocalnet()
        return true
      }
    }
    await this.#tidy()
    return false
  }

  /** Takes away chains and sets that nobody needed for a while: a chain after all that named it, as before Linux 6.2 it cannot go along. */
  async #tidy(): Promise<void> {
    if (this.#pending.size > 0) return // what they need is not known yet
    const { choosers, rangeBits } = this.#elements.retire()
    if (choosers.length + rangeBits.length === 0) return
    const { kernel } = this.#options
    const context = this.#context()
    const table = this.#table(context, true)
    this.#applied = undefined // a refusal is reason to look
    const named: Change[] = []
    if (rangeBits.length > 0) named.push(...rangeChanges(table, [], rangeBits))
    if (choosers.length > 0) named.push(...elementChanges(table, [{ set: sets.choosers, deleted: chooserElements(choosers), added: [] }]))
    await kernel.apply({ table, changes: named })
    const chains = choosers.map(({ chooser }) => chooserChain(chooser))
    if (chains.length > 0) await kernel.apply({ table, changes: chains.flatMap(removeChain) })
    this.#noteApplied()
  }

  counts(): ReadonlyMap<string, number> {
    return this.#elements.table.counts()
  }

  close(): void {
    this.#stopWatching()
    this.#options.kernel.close()
  }

  #takePending(held?: HeldTable): void {
    const found = held && foundIn(held)
    for (const [key, ports] of this.#pending) {
      this.#elements.update(key, ports, found)
      this.#pending.delete(key) // one by one: of a full load, all of them are many MB
    }
  }

  #context(): SkeletonContext {
    return { ...this.#options, choosers: this.#elements.choosers.all, rangeBits: [...this.#elements.rangeBits] }
  }

  #noteApplied(): void {
    this.#applied = { choosers: new Set(this.#elements.choosers.all.map(({ code }) => code)), rangeBits: new Set(this.#elements.rangeBits) }
  }

  /** Reads what is there, and makes of it what is wanted. */
  async #reconcile(): Promise<Applied | undefined> {
    const { kernel } = this.#options
    this.#applied = undefined
    const held = await kernel.read(nftFamily(this.family), sets.tableName(this.#options.tag))
    if (held && this.#isFirst) this.#adopt(held)
    this.#elements.table.unfollow()
    this.#takePending(this.#isFirst ? held : undefined)
    this.#elements.table.follow()
    const applied = await this.#write(held, this.#isFirst)
    this.#isFirst = false
    this.#noteApplied()
    return applied
  }

  /** Choosers and sets that are there already are kept, so that the rules need not be written anew. */
  #adopt(held: HeldTable): void {
    for (const { name, elements } of held.sets) {
      const bits = sets.bitsOfSourceRanges(name)
      if (bits !== undefined && bits <= (this.family === 'IPv4' ? 32 : 128)) this.#elements.rangeBits.add(bits)
      if (name === sets.choosers) this.#elements.choosers.adopt(elements)
    }
  }

  /** Makes of what is held what is wanted. */
  async #write(held: HeldTable | undefined, forget: boolean): Promise<Applied | undefined> {
    const { kernel, log } = this.#options
    const context = this.#context()
    const table = skeleton(context)
    const wanted = (set: NftSet): readonly Element[] =>
      set.name === sets.affinity
        ? rememberedClients(held, set)
        : [...fixedElements(context, set.name), ...this.#elements.table.elements(set.name)]
    const anew = held ? replaceTable(table, wanted) : createTable(table, wanted)
    const inPlace = held && (kernel.readsBack ? changesOf(held, table, wanted) : changesOfUnread(held, table, wanted, forget))
    if (!inPlace) {
      await kernel.apply(anew)
      return countOf(anew)
    }
    if (inPlace.changes.length === 0) return undefined
    try {
      await kernel.apply(inPlace)
      return countOf(inPlace)
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      log.warn('the kernel refused to change the table of the Service rules; making it anew', { error })
      await kernel.apply(anew)
      return countOf(anew)
    }
  }

  /** What changed since the last transaction, and nothing else. */
  #changes(applied: Shape): Transaction | undefined {
    const context = this.#context()
    const changes = this.#elements.table.takeChanges()
    const newChoosers = context.choosers.filter(({ code }) => !applied.choosers.has(code))
    const newRanges = context.rangeBits.filter((bits) => !applied.rangeBits.has(bits))
    if (changes.length + newChoosers.length + newRanges.length === 0) return undefined
    const table = this.#table(context, newChoosers.length + newRanges.length > 0)
    const first: Change[] = []
    for (const { chooser } of newChoosers) {
      const { name, rules } = chooserChainOf(context, chooser)
      first.push({ kind: 'add chain', chain: name }, ...rules.map((rule): Change => ({ kind: 'add rule', chain: name, rule })))
    }
    if (newRanges.length > 0) first.push(...rangeChanges(table, newRanges, []))
    if (newChoosers.length > 0) changes.push({ set: sets.choosers, deleted: [], added: chooserElements(newChoosers) })
    return { table, changes: [...first, ...elementChanges(table, changes)] }
  }

  #lastTable: Table | undefined

  #table(context: SkeletonContext, isNew: boolean): Table {
    if (isNew || !this.#lastTable) this.#lastTable = skeleton(context)
    return this.#lastTable
  }
}

/** Sets for lengths of prefixes that come and go, and the chain that looks into all of them. */
function rangeChanges(table: Table, coming: readonly number[], going: readonly number[]): Change[] {
  const added = coming.map(sets.sourceRanges)
  const chain = table.chains.find(({ name }) => name === 'source-ranges')
  return [
    ...table.sets.filter(({ name }) => added.includes(name)).map((set): Change => ({ kind: 'add set', set })),
    { kind: 'flush chain', chain: 'source-ranges' },
    ...going.map((bits): Change => ({ kind: 'delete set', set: { name: sets.sourceRanges(bits), key: [] } })),
    ...(chain?.rules ?? []).map((rule): Change => ({ kind: 'add rule', chain: 'source-ranges', rule })),
  ]
}

const removeChain = (chain: string): Change[] => [
  { kind: 'flush chain', chain },
  { kind: 'delete chain', chain },
]

function countOf({ changes }: Transaction): Applied {
  const sum = { written: 0, removed: 0 }
  for (const change of changes) {
    if (change.kind === 'add elements') sum.written += change.elements.length
    else if (change.kind === 'delete elements') sum.removed += change.elements.length
    else if (change.kind === 'add rule') sum.written++
  }
  return sum
}
