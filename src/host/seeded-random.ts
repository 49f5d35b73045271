import type { Random } from './random.ts'

/** Chance that repeats itself: the same seed gives the same numbers (mulberry32). For simulations, never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const hex = (digits: number): string => {
    let text = ''
    for (let i = 0; i < digits; i++) text += Math.floor(float() * 16).toString(16)
    return text
  }
  return {
    float,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-${'89ab'[Math.floor(float() * 4)]}${hex(3)}-${hex(12)}`,
  }
}
