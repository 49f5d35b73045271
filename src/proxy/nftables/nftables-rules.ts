import type { Exec } from '../../host/exec.ts'
import type { Log } from '../../host/log.ts'
import { type NftKernel, RefusedError } from '../../netfilter/nftables/kernel.ts'
import type { Element, HeldTable, NftSet, Table } from '../../netfilter/nftables/ruleset.ts'
import { type Change, createTable, replaceTable, type Transaction } from '../../netfilter/nftables/transaction.ts'
import { openLocalnet } from '../route-localnet.ts'
import type { Applied, PortWithChoice, RuleSettings, ServiceRules } from '../service-rules.ts'
import { foundIn, rememberedClients } from './held-table.ts'
import { ServiceElements } from './service-elements.ts'
import * as sets from './set-names.ts'
import { chooserChainOf, fixedElements, nftFamily, type SkeletonContext, skeleton } from './skeleton.ts'
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
  /** What the kernel has of choosers and prefix lengths; undefined: its state is not known. */
  #applied: { choosers: number; rangeBits: number } | undefined
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
    // Not before its guard is in the kernel.
    if (!this.#localnetIsOpen) await openLocalnet(this.#options.exec)
    this.#localnetIsOpen = true
    return applied
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
    if (!this.#options.kernel.readsBack && !this.#isDisturbed && this.#applied) return false
    this.#isDisturbed = false
    const applied = await this.#reconcile()
    if (applied) this.#options.log.warn('someone else changed the Service rules; put back', { ...applied })
    return applied !== undefined
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
    this.#applied = { choosers: this.#elements.choosers.all.length, rangeBits: this.#elements.rangeBits.size }
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
  #changes(applied: { choosers: number; rangeBits: number }): Transaction | undefined {
    const context = this.#context()
    const changes = this.#elements.table.takeChanges()
    const newChoosers = context.choosers.slice(applied.choosers)
    const newRanges = context.rangeBits.length > applied.rangeBits
    if (changes.length === 0 && newChoosers.length === 0 && !newRanges) return undefined
    const table = this.#table(context, newChoosers.length > 0 || newRanges)
    const first: Change[] = []
    for (const { chooser } of newChoosers) {
      const { name, rules } = chooserChainOf(context, chooser)
      first.push({ kind: 'add chain', chain: name }, ...rules.map((rule): Change => ({ kind: 'add rule', chain: name, rule })))
    }
    if (newRanges) first.push(...rangeChanges(table, context, applied.rangeBits))
    const added = newChoosers.length === 0 ? [] : fixedElements({ ...context, choosers: newChoosers }, sets.choosers).slice(2)
    if (added.length > 0) changes.push({ set: sets.choosers, deleted: [], added })
    return { table, changes: [...first, ...elementChanges(table, changes)] }
  }

  #lastTable: Table | undefined

  #table(context: SkeletonContext, isNew: boolean): Table {
    if (isNew || !this.#lastTable) this.#lastTable = skeleton(context)
    return this.#lastTable
  }
}

/** Sets for new lengths of prefixes, and the chain that looks into all of them. */
function rangeChanges(table: Table, context: SkeletonContext, before: number): Change[] {
  const added = context.rangeBits.slice(before).map(sets.sourceRanges)
  const chain = table.chains.find(({ name }) => name === 'source-ranges')
  return [
    ...table.sets.filter(({ name }) => added.includes(name)).map((set): Change => ({ kind: 'add set', set })),
    { kind: 'flush chain', chain: 'source-ranges' },
    ...(chain?.rules ?? []).map((rule): Change => ({ kind: 'add rule', chain: 'source-ranges', rule })),
  ]
}

function countOf({ changes }: Transaction): Applied {
  const sum = { written: 0, removed: 0 }
  for (const change of changes) {
    if (change.kind === 'add elements') sum.written += change.elements.length
    else if (change.kind === 'delete elements') sum.removed += change.elements.length
    else if (change.kind === 'add rule') sum.written++
  }
  return sum
}
