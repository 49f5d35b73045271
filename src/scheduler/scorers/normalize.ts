/** Scales so that the most is 100; where all are 0, all stay 0. */
export function mostIsBest(values: readonly number[]): number[] {
  const most = Math.max(...values)
  return values.map((value) => (most === 0 ? 0 : 100 * (value / most)))
}

/** Scales so that the most is 0 and none is 100; where all are 0, all are 100. */
export function leastIsBest(values: readonly number[]): number[] {
  return mostIsBest(values).map((value) => 100 - value)
}

/** Scales from the least, 0, to the most, 100; equal ones are all 0. For values that may be negative. */
export function betweenExtremes(values: readonly number[]): number[] {
  const least = Math.min(...values)
  const range = Math.max(...values) - least
  return values.map((value) => (range === 0 ? 0 : 100 * ((value - least) / range)))
}
