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

/**
 * Every distinct chooser that was ever needed, with its code. They are few: Services have few distinct numbers of endpoints. They stay
 * for good, since before Linux 6.2 a chain cannot go in the transaction that takes its last reference out of a map.
 */
export class Choosers {
  readonly #codes = new Map<string, number>()
  readonly #choosers: NumberedChooser[] = []
  #lastCode = 0

  /** The chooser's code. Throws RangeError when there are no codes left. */
  need(chooser: Chooser): number {
    const chain = chooserChain(chooser)
    const known = this.#codes.get(chain)
    if (known !== undefined) return known
    const code = this.#lastCode + 1
    if (code >= codeMask) throw new RangeError(`more than ${codeMask - 1} different numbers of endpoints`)
    this.#add(code, chooser)
    return code
  }

  /** Takes over what a former process wrote. What no process of ours can have written is left out. */
  adopt(elements: readonly Element[]): void {
    for (const { key, verdict } of elements) {
      if (typeof verdict !== 'object' || !('goto' in verdict)) continue
      const chooser = chooserOfChain(verdict.goto)
      const code = numberOfBytes(key)
      if (!chooser || this.#codes.has(verdict.goto) || code <= 0 || code >= codeMask) continue
      if (!this.#choosers.some((each) => each.code === code)) this.#add(code, chooser)
    }
  }

  #add(code: number, chooser: Chooser): void {
    this.#codes.set(chooserChain(chooser), code)
    this.#choosers.push({ code, chooser })
    this.#lastCode = Math.max(this.#lastCode, code)
  }

  /** In the order in which they came; only ever grows. */
  get all(): readonly NumberedChooser[] {
    return this.#choosers
  }
}
