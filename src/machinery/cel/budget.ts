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

/**
 * Bounds the walk through a value. One that holds another many times over is small to make and endless to go through.
 * Throws {@link CostExceededError}.
 */
export class Steps {
  #left = costLimitPerCall

  take(): void {
    if (--this.#left < 0) throw new CostExceededError()
  }
}
