import type { Kind } from '../api/kind.ts'
import { type FieldRequirement, matchesFields, parseFieldSelector } from '../machinery/field-selector.ts'
import { type LabelRequirements, matchesLabels, parseLabelSelector, SelectorError } from '../machinery/label-selector.ts'
import { badRequest } from '../machinery/status.ts'
import type { CachedObject } from './cached-object.ts'
import type { Selects } from './watcher.ts'

/** Which objects the selectors of a request mean; undefined: all of them. Throws BadRequest. */
export function selectionOf(kind: Kind, labelSelector: string, fieldSelector: string): Selects | undefined {
  const labels = parsed(() => parseLabelSelector(labelSelector))
  const fields = parsed(() => parseFieldSelector(fieldSelector))
  for (const { field } of fields) {
    if (field === 'metadata.name' || (field === 'metadata.namespace' && kind.namespaced) || Object.hasOwn(kind.selectableFields, field))
      continue
    throw badRequest(`field label not supported: ${field}`)
  }
  if (labels.length === 0 && fields.length === 0) return undefined
  return (item) => matchesBoth(kind, item, labels, fields)
}

function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message)
    throw error
  }
}

function matchesBoth(kind: Kind, item: CachedObject, labels: LabelRequirements, fields: readonly FieldRequirement[]): boolean {
  const read = (field: string): string => {
    // Known by its key: the object need not be parsed.
    if (field === 'metadata.name') return item.name
    if (field === 'metadata.namespace') return item.namespace
    return kind.selectableFields[field]?.(item.object) ?? ''
  }
  return matchesFields(fields, read) && (labels.length === 0 || matchesLabels(labels, item.object.metadata.labels))
}
