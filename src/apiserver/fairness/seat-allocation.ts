/** What a level needs of the seats that are shared out. `least` <= `most`. */
export interface SeatClaim {
  readonly least: number
  readonly most: number
  /** What it should have if all get what they need. */
  readonly wanted: number
}

/** A level that wants nothing still counts a little, so that proportions mean something. */
const leastWanted = 0.001
const steps = 60

/**
 * Shares out `seats` by one proportion: each gets that proportion of what it wants, within its own bounds (KEP-1040). Where
 * the bounds forbid that they come to `seats`, each gets its bound.
 */
export function shareOut(seats: number, claims: readonly SeatClaim[]): number[] {
  const at = (proportion: number): number[] =>
    claims.map(({ least, most, wanted }) => Math.max(least, Math.min(most, proportion * Math.max(wanted, leastWanted))))
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
  let low = 0
  let high = Math.max(1, ...claims.map(({ most, wanted }) => most / Math.max(wanted, leastWanted)))
  // The sum only grows with the proportion.
  for (let step = 0; step < steps; step++) {
    const middle = (low + high) / 2
    if (sum(at(middle)) < seats) low = middle
    else high = middle
  }
  return at(high).map(Math.round)
}
