/** `3` or `"25%"`: a number, or a share of some whole. */
export type IntOrString = number | string

/** The share that a percentage names; undefined for what is no percentage of whole percents. */
export function percentOf(value: IntOrString): number | undefined {
  if (typeof value === 'number') return undefined
  const digits = /^(\d+)%$/.exec(value)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * The number that is meant, out of `total`: Deployments round maxSurge up and maxUnavailable down.
 * Throws a RangeError in upstream's words for a string that is no percentage.
 */
export function scaledValue(value: IntOrString, total: number, rounding: 'up' | 'down'): number {
  if (typeof value === 'number') return value
  const percent = percentOf(value)
  if (percent === undefined) throw new RangeError('invalid value for IntOrString: invalid type: string is not a percentage')
  const share = (percent * total) / 100
  return rounding === 'up' ? Math.ceil(share) : Math.floor(share)
}
