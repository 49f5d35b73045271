import type { Random } from '../../host/random.ts'

/** Any number of the range that is not taken: one at random, then whatever comes next. Undefined: all are. */
export function pick(range: { from: number; to: number }, taken: (value: number) => boolean, random: Random): number | undefined {
  const size = range.to - range.from + 1
  if (size <= 0) return undefined
  const start = Math.floor(random.float() * size)
  for (let step = 0; step < size; step++) {
    const value = range.from + ((start + step) % size)
    if (!taken(value)) return value
  }
  return undefined
}
