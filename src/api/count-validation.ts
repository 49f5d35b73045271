import { invalidValue } from '../machinery/field-error.ts'
import { percentOf } from '../machinery/int-or-string.ts'
import { type Faults, nonNegativeFaults } from './field-checks.ts'

type Count = number | string | undefined

const percentRule =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

/** A number of pods, or a share of those wanted. */
export function* countFaults(path: string, value: Count): Faults {
  if (typeof value === 'string') {
    if (percentOf(value) === undefined) yield invalidValue(path, value, percentRule)
  } else yield* nonNegativeFaults(path, value)
}

export const isZeroCount = (value: Count): boolean => value === undefined || value === 0 || value === '0%'

export function* notMoreThanAllFaults(path: string, value: Count): Faults {
  const share = typeof value === 'string' ? percentOf(value) : undefined
  if (share !== undefined && share > 100) yield invalidValue(path, value, 'must not be greater than 100%')
}
