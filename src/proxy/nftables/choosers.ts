import type { Element } from '../../netfilter/nftables/ruleset.ts'
import { codeMask, numberOfBytes } from './destination.ts'

/** A way of choosing: among how many endpoints, and how long a client stays with its one. Each has a chain of its own. */
export interface Chooser {
  readonly endpoints: number
  /** Undefined: no affinity. */
  readonly affinitySeconds: number | undefined
}

export interface NumberedChooser {
  readonly code: number
  readonly chooser: Chooser
}

export const chooserChain = ({ endpoints, affinitySeconds }: Chooser): string =>
  affinitySeconds === undefined ? `choose-${endpoints}` : `choose-${endpoints}-for-${affinitySeconds}s`

function chooserOfChain(name: string): Chooser | undefined {
  const found = /^choose-([1-9]\d*)(?:-for-([1-9]\d*)s)?$/.exec(name)
  if (!found) return undefined
  return { endpoints: Number(found[1]), affinitySeconds: found[2] === undefined ? undefined : Number(found[2]) }
}

interface Known extends NumberedChooser {
  /** Groups that need it now. */
  uses: number
  /** Nobody needed it since the last {@link Choosers.retire}. */
  isIdle: boolean
}

/** Every distinct chooser that is needed, or was not long ago, with its code. They are few: Services have few distinct numbers of endpoints. */
export class Choosers {
  readonly #byChain = new Map<string, Known>()
  readonly #byCode = new Map<number, Known>()
  #lastCode = 0

  /** The chooser's code, once more in use until it is {@link release}d. Throws RangeError when there are no codes left. */
  need(chooser: Chooser): number {
    const known = this.#byChain.get(chooserChain(chooser)) ?? this.#add(this.#freeCode(), chooser)
    known.uses++
    known.isIdle = false
    return known.code
  }

  release(code: number): void {
    const known = this.#byCode.get(code)
    if (known) known.uses--
  }

  /** Takes over what a former process wrote. What no process of ours can have written is left out. */
  adopt(elements: readonly Element[]): void {
    for (const { key, verdict } of elements) {
      if (typeof verdict !== 'object' || !('goto' in verdict)) continue
      const chooser = chooserOfChain(verdict.goto)
      const code = numberOfBytes(key)
      if (!chooser || this.#byChain.has(verdict.goto) || this.#byCode.has(code) || code <= 0 || code >= codeMask) continue
      this.#add(code, chooser)
    }
  }

  /**
   * Gives up those that nobody needed since the last call, and answers them. Not at once: a packet under way may have read a code whose chain
   * it has yet to find.
   */
  retire(): NumberedChooser[] {
    const idle = this.all.filter(({ uses, isIdle }) => uses === 0 && isIdle)
    for (const { code, chooser } of idle) {
      this.#byChain.delete(chooserChain(chooser))
      this.#byCode.delete(code)
    }
    for (const known of this.#byCode.values()) known.isIdle = known.uses === 0
    return idle
  }

  /** The numbers go round, so that one comes back as late as may be. */
  #freeCode(): number {
    if (this.#byCode.size >= codeMask - 1) throw new RangeError(`more than ${codeMask - 1} different numbers of endpoints`)
    do this.#lastCode = (this.#lastCode % (codeMask - 1)) + 1
    while (this.#byCode.has(this.#lastCode))
    return this.#lastCode
  }

  #add(code: number, chooser: Chooser): Known {
    const known = { code, chooser, uses: 0, isIdle: false }
    this.#byChain.set(chooserChain(chooser), known)
    this.#byCode.set(code, known)
    return known
  }

  /** In the order in which they came. */
  get all(): readonly Known[] {
    return [...this.#byChain.values()]
  }
}
