import { invalidValue } from '../../machinery/field-error.ts'
import { type Faults, nonNegativeFaults } from '../field-checks.ts'

/** The numbers in a status, by field; absent is zero. */
type Counts = Readonly<Record<string, unknown>> | undefined

const countOf = (status: Counts, field: string): number => (status?.[field] as number | undefined) ?? 0

export function* statusCountFaults(status: Counts, fields: readonly string[]): Faults {
  for (const field of fields) yield* nonNegativeFaults(`status.${field}`, countOf(status, field))
}

/** Some of the pods, of which there are `replicas`. What is available is ready: `readyName` is what messages call that. */
export function* partFaults(status: Counts, fields: readonly string[], readyName: string): Faults {
  for (const field of fields) {
    const value = countOf(status, field)
    if (value > countOf(status, 'replicas')) yield invalidValue(`status.${field}`, value, 'cannot be greater than status.replicas')
  }
  const available = countOf(status, 'availableReplicas')
  if (available > countOf(status, 'readyReplicas')) {
    yield invalidValue('status.availableReplicas', available, `cannot be greater than ${readyName}`)
  }
}

/** Names made from the count must not come back. */
export function* collisionFaults(status: Counts, previous: Counts): Faults {
  const count = countOf(status, 'collisionCount')
  if (count < countOf(previous, 'collisionCount')) yield invalidValue('status.collisionCount', count, 'cannot be decremented')
}
