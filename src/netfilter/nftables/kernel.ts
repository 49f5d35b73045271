import type { AnyFamily, Family, HeldTable } from './ruleset.ts'
import type { Change, Transaction } from './transaction.ts'
import { elementText } from './transaction-text.ts'

/** The nftables of one network namespace. */
export interface NftKernel {
  /** False: `read` tells only the names of sets and chains, all empty, and to be sure of what they hold is to write it anew; `readAll` throws. */
  readonly readsBack: boolean
  /** Takes all changes or none. Throws {@link RefusedError}. */
  apply(transaction: Transaction): Promise<void>
  /** Undefined where there is none. */
  read(family: Family, table: string): Promise<HeldTable | undefined>
  /** Everybody's tables, of all families. */
  readAll(): Promise<HeldTable[]>
  /**
   * Calls `run` after someone else changed, or may have changed, the table; own changes are not told. May call once for many changes. The
   * answer stops it.
   */
  whenChangedByOthers(family: Family, table: string, run: () => void): () => void
  close(): void
}

/** The kernel took none of a transaction. `code` is an errno's name; `change` is what was refused, where it can be told. */
export class RefusedError extends Error {
  readonly code: string
  readonly change: Change | undefined
  constructor(transaction: Transaction, code: string, change?: Change, element = 0, said?: string) {
    const what = change === undefined ? 'the transaction as a whole' : changeName(change, element)
    const why = [whyRefused(code, change), said].filter((text) => text !== undefined && text !== '').join('; ')
    super(
      `nftables table ${transaction.table.family} ${transaction.table.name}: refused to ${what}: ${code}${why === '' ? '' : ` (${why})`}`,
    )
    this.name = 'RefusedError'
    this.code = code
    this.change = change
  }
}

function changeName(change: Change, element: number): string {
  switch (change.kind) {
    case 'add table':
    case 'delete table':
      return change.kind
    case 'add counter':
    case 'delete counter':
      return `${change.kind} ${change.counter}`
    case 'add set':
    case 'delete set':
    case 'flush set':
      return `${change.kind} ${change.set.name}`
    case 'add elements':
    case 'delete elements': {
      const found = change.elements[element]
      const text = found === undefined ? 'elements' : `element ${elementText(change.set, found)}`
      return `${change.kind === 'add elements' ? 'add' : 'delete'} ${text} of set ${change.set.name}`
    }
    case 'add rule':
    case 'delete rule':
      return `${change.kind} of chain ${change.chain}`
    default:
      return `${change.kind} ${change.chain}`
  }
}

function whyRefused(code: string, change: Change | undefined): string | undefined {
  const adding = change?.kind.startsWith('add') ?? false
  switch (code) {
    case 'EPERM':
      return 'this needs root, or CAP_NET_ADMIN'
    case 'ENOENT':
      return adding ? 'it names something that is not there' : 'it is not there'
    case 'EEXIST':
      return 'it is there already, with other content'
    case 'EBUSY':
      return 'something still refers to it'
    case 'ELOOP':
    case 'EMLINK':
      return 'its chains go round in a circle, or too deep'
    case 'ENFILE':
      return 'the set is full'
    case 'EOPNOTSUPP':
    case 'EAFNOSUPPORT':
      return 'this kernel cannot do that here'
    case 'EINVAL':
      return 'not valid: a length, a type or a hook is wrong'
    default:
      return undefined
  }
}

export const tableName = (family: AnyFamily, name: string): string => `${family} ${name}`
