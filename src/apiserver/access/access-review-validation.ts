import type { LabelSelectorRequirement, ResourceAttributes, SubjectAccessReviewSpec } from '../../api/generated/types.ts'
import { type FieldError, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import { qualifiedNameFaults } from '../../machinery/names.ts'

export interface AccessReview {
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly spec?: SubjectAccessReviewSpec
}

type Faults = Iterable<FieldError>

/** Faults of a review that asks what somebody may do: about whom is not asked where the caller asks about themselves. */
export function* accessReviewFaults(kind: string, { metadata = {}, spec = {} }: AccessReview): Faults {
  const { resourceAttributes: resource, nonResourceAttributes: path, user = '', groups = [] } = spec
  if (resource && path) yield invalidValue('spec.nonResourceAttributes', path, 'cannot be specified in combination with resourceAttributes')
  if (!resource && !path) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    yield invalidValue('spec.resourceAttributes', undefined, why)
  }
  if (kind !== 'SelfSubjectAccessReview' && !user && groups.length === 0) {
    yield invalidValue('spec.user', user, 'at least one of user or group must be specified')
  }
  yield* selectorFaults(resource)
  const isLocal = kind === 'LocalSubjectAccessReview'
  const { managedFields: _, namespace, ...rest } = metadata
  if (Object.keys(rest).length > 0 || (namespace && !isLocal)) {
    yield invalidValue('metadata', metadata, isLocal ? 'must be empty except for namespace' : 'must be empty')
  }
  if (!isLocal) return
  if (resource && (resource.namespace ?? '') !== (namespace ?? '')) {
    yield invalidValue('spec.resourceAttributes.namespace', resource.namespace ?? '', 'must match metadata.namespace')
  }
  if (path) yield invalidValue('spec.nonResourceAttributes', path, 'disallowed on this kind of request')
}

function* selectorFaults({ fieldSelector, labelSelector }: ResourceAttributes = {}): Faults {
  const path = 'spec.resourceAttributes'
  const selectors = [
    { at: `${path}.fieldSelector`, selector: fieldSelector, keyFaults: () => [] },
    { at: `${path}.labelSelector`, selector: labelSelector, keyFaults: qualifiedNameFaults },
  ]
  for (const { at, selector, keyFaults } of selectors) {
    if (!selector) continue
    const { rawSelector = '', requirements = [] } = selector
    if (rawSelector && requirements.length > 0) {
      yield invalidValue(`${at}.rawSelector`, rawSelector, 'may not specified at the same time as requirements')
    }
    if (!rawSelector && requirements.length === 0) {
      yield required(`${at}.requirements`, `when ${at} is specified, requirements or rawSelector is required`)
    }
    for (const [index, one] of requirements.entries()) yield* requirementFaults(`${at}.requirements[${index}]`, one, keyFaults)
  }
}

/** Operators that are not known here pass: whoever asks may be newer. */
function* requirementFaults(
  at: string,
  { key, operator, values = [] }: LabelSelectorRequirement,
  keyFaults: (key: string) => string[],
): Faults {
  if (!key) yield required(`${at}.key`, 'must be specified')
  else for (const fault of keyFaults(key)) yield invalidValue(`${at}.key`, key, fault)
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    yield required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
    yield forbiddenField(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
  }
}
