import { invalidValue, tooLong } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'

const maxParameters = 512
const maxBytes = 256 * 1024

/** What a driver is told of a class of volumes. */
export function* parametersFaults(parameters: Readonly<Record<string, string>> = {}): Faults {
  const entries = Object.entries(parameters)
  if (entries.length > maxParameters) return yield tooLong('parameters', maxParameters)
  for (const [name] of entries) if (!name) yield invalidValue('parameters', name, 'field can not be empty.')
  if (entries.reduce((bytes, pair) => bytes + Buffer.byteLength(pair.join('')), 0) > maxBytes) yield tooLong('parameters', maxBytes)
}
