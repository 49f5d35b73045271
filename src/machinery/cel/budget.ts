import { ListValue, MapValue, type Value } from './values.ts'

/** Ran longer than it may; nothing absorbs it. */
export class CostExceededError extends Error {
  constructor() {
    super('operation cancelled: actual cost limit exceeded')
    this.name = 'CostExceededError'
  }
}

/** What one evaluation has cost, in upstream's units: about one for a name, a selection or a call. */
export class Meter {
  readonly #limit: number
  #spent = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get spent(): number {
    return this.#spent
  }

  /** Throws {@link CostExceededError}. */
  spend(cost: number): void {
    this.#spent += cost
    if (this.#spent > this.#limit) throw new CostExceededError()
  }
}

/** Of one evaluation, as upstream's. */
export const costLimitPerCall = 1_000_000
/** Of all expressions of a policy about one request. */
export const costLimitPerPolicy = 10_000_000

const perCharacter = 0.1

/** What reading something takes once through; `factor` for those who do it more than once. */
export function traversal(size: number, factor = 1): number {
  return Math.ceil(size * perCharacter * factor)
}

/** What looking for a pattern in a text takes. */
export function matching(textLength: number, patternLength: number): number {
  return Math.ceil((1 + textLength) * perCharacter) * Math.ceil(patternLength * 0.25)
}

/** Characters, bytes or items; one of everything else. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length
  return value instanceof ListValue || value instanceof MapValue ? value.size : 1
}
