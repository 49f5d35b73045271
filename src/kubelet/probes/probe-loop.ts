import type { Probe } from '../../api/generated/types.ts'

/** Of one try. `error`: the probe could not be carried out, which is told but counts for nothing. */
export interface ProbeResult {
  result: 'success' | 'failure' | 'error'
  output: string
}

/** How a probe's tries so far add up: thresholds in one place, pure. */
export interface Tally {
  readonly last: 'success' | 'failure' | undefined
  readonly run: number
}

export const freshTally: Tally = { last: undefined, run: 0 }

/** The tally after one more result, and the verdict once a threshold is reached. */
export function count(
  tally: Tally,
  result: 'success' | 'failure',
  probe: Probe,
): { tally: Tally; verdict: 'success' | 'failure' | undefined } {
  const run = tally.last === result ? tally.run + 1 : 1
  const threshold = result === 'success' ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)
  return { tally: { last: result, run }, verdict: run >= threshold ? result : undefined }
}
