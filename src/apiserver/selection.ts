import type { Kind } from '../api/kind.ts'
import { type FieldRequirement, matchesFields, parseFieldSelector } from '../machinery/field-selector.ts'
import { type LabelRequirements, matchesLabels, parseLabelSelector, SelectorError } from '../machinery/label-selector.ts'
import { badRequest } from '../machinery/status.ts'
import type { CachedObject } from './cached-object.ts'
import type { Scope } from './change-history.ts'
import type { Selects } from './watcher.ts'

export interface Selection {
  /** Undefined: all of them. */
  readonly selects: Selects | undefined
  /** Where all that is selected is to be found, if one condition says so. */
  readonly scope: Scope | undefined
}

/** Which objects the selectors of a request mean. Throws BadRequest. */
export function selectionOf(kind: Kind, labelSelector: string, fieldSelector: string): Selection {
  const labels = parsed(() => parseLabelSelector(labelSelector))
  const fields = parsed(() => parseFieldSelector(fieldSelector))
  const unknown = fields.find(({ field }) => !isSelectable(kind, field))
  if (unknown) throw badRequest(faultOf(kind, unknown.field))
  if (labels.length === 0 && fields.length === 0) return { selects: undefined, scope: undefined }
  return { selects: (item) => matchesBoth(kind, item, labels, fields), scope: scopeOf(fields) }
}

/** Kinds without fields of their own know both places, the namespace even where they are in none. */
function isSelectable({ selectableFields, namespaced }: Kind, field: string): boolean {
  if (field === 'metadata.name' || Object.hasOwn(selectableFields, field)) return true
  return field === 'metadata.namespace' && (namespaced || Object.keys(selectableFields).length === 0)
}

function faultOf({ selectableFields, unknownField }: Kind, field: string): string {
  if (unknownField) return unknownField(field)
  if (Object.keys(selectableFields).length > 0) return `field label not supported: ${field}`
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
}

const placeFields: Readonly<Record<string, string>> = { 'metadata.name': 'name', 'metadata.namespace': 'namespace' }

/** A name is the narrowest, a namespace the widest. An empty value is most often that of most objects: no use. */
function scopeOf(fields: readonly FieldRequirement[]): Scope | undefined {
  const given = fields.filter(({ operator, value }) => operator === '=' && value !== '')
  const narrowest =
    given.find(({ field }) => field === 'metadata.name') ?? given.find(({ field }) => field !== 'metadata.namespace') ?? given[0]
  return narrowest && { by: placeFields[narrowest.field] ?? narrowest.field, value: narrowest.value }
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
    return item.facts(kind).fields[field] ?? ''
  }
  return matchesFields(fields, read) && (labels.length === 0 || matchesLabels(labels, item.facts(kind).labels))
}
