import { duplicate, required } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'

/** Of schemas and levels: all that is asked of a condition is its type. */
export function* levelConditionsFaults(conditions: readonly { type?: string }[] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { type = '' }] of conditions.entries()) {
    const path = `status.conditions[${index}].type`
    if (seen.has(type)) yield duplicate(path, type)
    seen.add(type)
    if (!type) yield required(path, 'must not be empty')
  }
}
