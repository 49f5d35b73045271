import type { Random } from '../../../host/random.ts'

/** Choices out of chance. */
export class Dice {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  below(limit: number): number {
    return Math.floor(this.#random.float() * limit)
  }

  /** True in so many of a hundred cases. */
  percent(share: number): boolean {
    return this.#random.float() * 100 < share
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** `[weight, choice]` each. */
  weighted<T>(choices: readonly (readonly [number, T])[]): T {
    let left = this.#random.float() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, choice] of choices) {
      left -= weight
      if (left < 0) return choice
    }
    return (choices.at(-1) as readonly [number, T])[1]
  }

  /** Small numbers much more often than large ones. */
  few(most: number): number {
    return Math.floor(this.#random.float() ** 3 * (most + 1))
  }
}
