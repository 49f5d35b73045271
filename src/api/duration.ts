const minute = 60
const hour = 60 * minute
const day = 24 * hour
const year = 365 * day

/** `major` of one unit and, unless it is zero, the rest in the next smaller one: `3h`, `3h20m`. */
function twoUnits(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small)
  const head = `${Math.floor(seconds / large)}${largeName}`
  return rest === 0 ? head : `${head}${rest}${smallName}`
}

/** A span of time in the short form of kubectl's AGE column: two or three digits that matter, such as `95s`, `7m20s`, `5h`, `3d4h`, `2y10d`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000)
  // Clocks differ a little between machines: a second in the future is now.
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 2 * minute) return `${seconds}s`
  if (seconds < 10 * minute) return twoUnits(seconds, minute, 'm', 1, 's')
  if (seconds < 3 * hour) return `${Math.floor(seconds / minute)}m`
  if (seconds < 8 * hour) return twoUnits(seconds, hour, 'h', minute, 'm')
  if (seconds < 2 * day) return `${Math.floor(seconds / hour)}h`
  if (seconds < 8 * day) return twoUnits(seconds, day, 'd', hour, 'h')
  if (seconds < 2 * year) return `${Math.floor(seconds / day)}d`
  if (seconds < 8 * year) return twoUnits(seconds, year, 'y', day, 'd')
  return `${Math.floor(seconds / year)}y`
}

/** How long ago an RFC 3339 time was, as kubectl shows it; `<unknown>` where there is none. */
export function timeSince(timestamp: string | undefined, nowMs: number): string {
  return timestamp ? humanDuration(nowMs - Date.parse(timestamp)) : '<unknown>'
}
