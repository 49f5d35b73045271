import type { FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes } from '../../api/generated/types.ts'
import { type FieldRequirement, parseFieldSelector } from '../../machinery/field-selector.ts'
import { parseLabelSelector, SelectorError } from '../../machinery/label-selector.ts'

const operators: Readonly<Record<string, '=' | '!='>> = { In: '=', NotIn: '!=' }

/**
 * What the selectors of a review confine its request to, as far as they can be read, and what is to be said of the rest: it
 * makes the request a wider one, never a narrower.
 */
export function confinement({ fieldSelector, labelSelector }: ResourceAttributes): {
  readonly fields: readonly FieldRequirement[]
  readonly ignored: readonly string[]
} {
  const { fields, whole } = fieldsOf(fieldSelector)
  const isPartly = fields.length > 0 ? 'partially ignored' : 'ignored'
  return {
    fields,
    ignored: [
      ...(whole ? [] : [`spec.resourceAttributes.fieldSelector ${isPartly} due to parse error`]),
      ...(isReadable(labelSelector) ? [] : ['spec.resourceAttributes.labelSelector ignored due to parse error']),
    ],
  }
}

function fieldsOf({ rawSelector = '', requirements = [] }: FieldSelectorAttributes = {}): {
  fields: readonly FieldRequirement[]
  whole: boolean
} {
  if (rawSelector) {
    const fields = unlessUnreadable(() => parseFieldSelector(rawSelector))
    return { fields: fields ?? [], whole: fields !== undefined }
  }
  const fields = requirements.flatMap(({ key, operator, values = [] }) => {
    const known = operators[operator]
    return known && values.length === 1 ? [{ field: key, operator: known, value: values[0] as string }] : []
  })
  return { fields, whole: fields.length === requirements.length }
}

/** Nobody here decides by labels; whoever asks is told of those that could not be read all the same. */
function isReadable({ rawSelector = '', requirements = [] }: LabelSelectorAttributes = {}): boolean {
  const known = ['In', 'NotIn', 'Exists', 'DoesNotExist']
  if (!rawSelector) return requirements.every(({ operator }) => known.includes(operator))
  return unlessUnreadable(() => parseLabelSelector(rawSelector)) !== undefined
}

function unlessUnreadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof SelectorError) return undefined
    throw error
  }
}
