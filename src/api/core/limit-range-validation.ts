import { ownValue } from '../../machinery/equality.ts'
import { duplicate, type FieldError, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import { parseQuantity } from '../../machinery/quantity.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { LimitRange, LimitRangeItem } from '../generated/types.ts'
import { compareQuantities } from '../quantity-checks.ts'
import { containerResourceNameFaults, mayOvercommit, resourceNameFaults } from './resource-names.ts'

type Quantities = Readonly<Record<string, string>>

const standardTypes = ['Container', 'PersistentVolumeClaim', 'Pod']
const mapFields = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

const exceeds = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && compareQuantities(a, b) > 0

function* typeFaults(path: string, type: string): Faults {
  const faults = qualifiedNameFaults(path, type)
  if (faults.length > 0) return yield* faults
  if (!type.includes('/') && !standardTypes.includes(type)) {
    yield invalidValue(path, type, 'must be a standard limit type or fully qualified')
  }
}

function* namesFaults(path: string, item: LimitRangeItem): Faults {
  const rule = item.type === 'Pod' || item.type === 'Container' ? containerResourceNameFaults : resourceNameFaults
  for (const field of mapFields) {
    const resources = Object.keys(item[field] ?? {})
    if (item.type === 'Pod' && (field === 'default' || field === 'defaultRequest')) {
      if (resources.length > 0) yield forbiddenField(`${path}.${field}`, "may not be specified when `type` is 'Pod'")
    } else for (const resource of resources) yield* rule(`${path}.${field}[${resource}]`, resource)
  }
  if (item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined) {
    yield required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided')
  }
}

/** least ≤ default request ≤ default ≤ most. */
function* orderFaults(path: string, item: LimitRangeItem, resource: string): Faults {
  const of = (field: (typeof mapFields)[number]): string | undefined => ownValue(item[field] as Quantities | undefined, resource)
  const at = (field: string): string => `${path}.${field}[${resource}]`
  const [max, min, limit, request] = [of('max'), of('min'), of('default'), of('defaultRequest')]
  if (exceeds(min, max)) yield invalidValue(at('min'), min, `min value ${min} is greater than max value ${max}`)
  if (exceeds(min, request))
    yield invalidValue(at('defaultRequest'), request, `min value ${min} is greater than default request value ${request}`)
  if (exceeds(request, max))
    yield invalidValue(at('defaultRequest'), request, `default request value ${request} is greater than max value ${max}`)
  if (exceeds(request, limit)) {
    yield invalidValue(at('defaultRequest'), request, `default request value ${request} is greater than default limit value ${limit}`)
  }
  if (exceeds(min, limit)) yield invalidValue(at('default'), min, `min value ${min} is greater than default value ${limit}`)
  if (exceeds(limit, max)) yield invalidValue(at('default'), max, `default value ${limit} is greater than max value ${max}`)
}

function* ratioFaults(path: string, item: LimitRangeItem, resource: string): Faults {
  const ratio = ownValue(item.maxLimitRequestRatio, resource)
  if (ratio === undefined) return
  const at = `${path}.maxLimitRequestRatio[${resource}]`
  if (compareQuantities(ratio, '1') < 0) yield invalidValue(at, ratio, `ratio ${ratio} is less than 1`)
  const max = ownValue(item.max, resource)
  const min = ownValue(item.min, resource)
  if (max === undefined || min === undefined) return
  const [maxNano, minNano, ratioNano] = [max, min, ratio].map((text) => Number(parseQuantity(text).nano)) as [number, number, number]
  const share = maxNano / minNano
  if (ratioNano / 1e9 > share) yield invalidValue(at, ratio, `ratio ${ratio} is greater than max/min = ${share.toFixed(6)}`)
}

/** What a node cannot promise twice has one amount only. */
function* equalFaults(path: string, item: LimitRangeItem, resource: string): Faults {
  const [limit, request] = [ownValue(item.default, resource), ownValue(item.defaultRequest, resource)]
  if (mayOvercommit(resource) || limit === undefined || request === undefined || compareQuantities(limit, request) === 0) return
  const why = `default value ${limit} must equal to defaultRequest value ${request} in ${resource}`
  yield invalidValue(`${path}.defaultRequest[${resource}]`, request, why)
}

function* limitRangeFaults({ spec }: LimitRange): Faults {
  const seen = new Set<string>()
  for (const [index, item] of (spec?.limits ?? []).entries()) {
    const path = `spec.limits[${index}]`
    yield* typeFaults(`${path}.type`, item.type ?? '')
    if (seen.has(item.type)) yield duplicate(`${path}.type`, item.type)
    seen.add(item.type)
    yield* namesFaults(path, item)
    const resources = new Set(mapFields.flatMap((field) => Object.keys(item[field] ?? {})))
    for (const resource of resources) {
      yield* orderFaults(path, item, resource)
      yield* ratioFaults(path, item, resource)
      yield* equalFaults(path, item, resource)
    }
  }
}

export const validateLimitRange = (range: LimitRange): FieldError[] => [...limitRangeFaults(range)]
