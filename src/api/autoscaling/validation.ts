import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { containerResourceNameFaults } from '../core/resource-names.ts'
import { dnsLabelFaults, type Faults, nonNegativeFaults, pathSegmentFaults } from '../field-checks.ts'
import type {
  V2CrossVersionObjectReference,
  V2HorizontalPodAutoscaler,
  V2HPAScalingRules,
  V2MetricIdentifier,
  V2MetricSpec,
  V2MetricTarget,
} from '../generated/types.ts'
import { isNegativeQuantity, isPositiveQuantity } from '../quantity-checks.ts'

type Source = 'object' | 'external' | 'pods' | 'resource' | 'containerResource'

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const maxWindowSeconds = 3600
const maxPeriodSeconds = 1800

function* segmentFaults(path: string, value: string | undefined, why = ''): Faults {
  if (!value) yield required(path, why)
  else yield* pathSegmentFaults(path, value)
}

function* referenceFaults(path: string, { kind, name }: Partial<V2CrossVersionObjectReference>): Faults {
  yield* segmentFaults(`${path}.kind`, kind)
  yield* segmentFaults(`${path}.name`, name)
}

const identifierFaults = (path: string, metric: Partial<V2MetricIdentifier> | undefined): Faults =>
  segmentFaults(`${path}.name`, metric?.name, 'must specify a metric name')

function* targetFaults(path: string, { type = '', value, averageValue, averageUtilization }: Partial<V2MetricTarget>): Faults {
  if (!type) yield required(`${path}.type`, 'must specify a metric target type')
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    yield invalidValue(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue')
  }
  if (value !== undefined && !isPositiveQuantity(value)) yield invalidValue(`${path}.value`, value, 'must be positive')
  if (averageValue !== undefined && !isPositiveQuantity(averageValue))
    yield invalidValue(`${path}.averageValue`, averageValue, 'must be positive')
  if (averageUtilization !== undefined && averageUtilization < 1) {
    yield invalidValue(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0')
  }
}

/** Of what containers use. */
function* usageTargetFaults(path: string, target: Partial<V2MetricTarget> = {}): Faults {
  yield* targetFaults(path, target)
  if (target.averageUtilization === undefined && target.averageValue === undefined) {
    yield required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization')
  }
  if (target.averageUtilization !== undefined && target.averageValue !== undefined) {
    yield forbiddenField(`${path}.averageValue`, 'may not set both a target raw value and a target utilization')
  }
}

/** In the order in which upstream looks: only the first of them is looked into. */
const sources: { [field in Source]: (path: string, source: NonNullable<V2MetricSpec[field]>) => Faults } = {
  *object(path, { describedObject, metric, target = {} as V2MetricTarget }) {
    yield* referenceFaults(`${path}.describedObject`, describedObject ?? {})
    yield* identifierFaults(`${path}.metric`, metric)
    yield* targetFaults(`${path}.target`, target)
    if (target.value !== undefined || target.averageValue !== undefined) return
    yield required(`${path}.target.averageValue`, 'must set either a target value or averageValue')
  },
  *external(path, { metric, target = {} as V2MetricTarget }) {
    yield* identifierFaults(`${path}.metric`, metric)
    yield* targetFaults(`${path}.target`, target)
    const [hasValue, hasAverage] = [target.value !== undefined, target.averageValue !== undefined]
    if (!hasValue && !hasAverage) {
      yield required(`${path}.target.averageValue`, 'must set either a target value for metric or a per-pod target')
    }
    if (hasValue && hasAverage) {
      yield forbiddenField(`${path}.target.value`, 'may not set both a target value for metric and a per-pod target')
    }
  },
  *pods(path, { metric, target = {} as V2MetricTarget }) {
    yield* identifierFaults(`${path}.metric`, metric)
    yield* targetFaults(`${path}.target`, target)
    if (target.averageValue === undefined) yield required(`${path}.target.averageValue`, 'must specify a positive target averageValue')
  },
  *resource(path, { name, target }) {
    if (!name) yield required(`${path}.name`, 'must specify a resource name')
    yield* usageTargetFaults(`${path}.target`, target)
  },
  *containerResource(path, { name, container, target }) {
    if (!name) yield required(`${path}.name`, 'must specify a resource name')
    else yield* containerResourceNameFaults(`${path}.name`, name)
    if (!container) yield required(`${path}.container`, 'must specify a container')
    else yield* dnsLabelFaults(`${path}.container`, container)
    yield* usageTargetFaults(`${path}.target`, target)
  },
}

function* metricFaults(path: string, metric: V2MetricSpec): Faults {
  const { type = '' } = metric
  const isKnown = metricTypes.includes(type)
  if (!type) yield required(`${path}.type`, 'must specify a metric source type')
  if (!isKnown) yield notSupported(`${path}.type`, type, metricTypes)
  const given = (Object.keys(sources) as Source[]).filter((field) => metric[field] !== undefined)
  const first = given[0]
  if (first) {
    const rule = sources[first] as (path: string, source: unknown) => Faults
    yield* rule(`${path}.${first}`, metric[first])
  }
  const wanted = `${type.charAt(0).toLowerCase()}${type.slice(1)}`
  if (isKnown && !given.includes(wanted as Source)) {
    yield required(`${path}.${wanted}`, 'must populate information for the given metric source')
  }
  if (given.length === 1) return
  for (const field of given) if (field !== wanted) yield forbiddenField(`${path}.${field}`, 'must populate the given metric source only')
}

function* rulesFaults(path: string, rules: V2HPAScalingRules | undefined): Faults {
  if (!rules) return
  const { stabilizationWindowSeconds: window, selectPolicy, policies, tolerance } = rules
  if (window !== undefined && window < 0)
    yield invalidValue(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero')
  if (window !== undefined && window > maxWindowSeconds) {
    yield invalidValue(`${path}.stabilizationWindowSeconds`, window, `must be less than or equal to ${maxWindowSeconds}`)
  }
  if (selectPolicy !== undefined && !['Disabled', 'Max', 'Min'].includes(selectPolicy)) {
    yield notSupported(`${path}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min'])
  }
  if (tolerance !== undefined && isNegativeQuantity(tolerance)) {
    yield invalidValue(`${path}.tolerance`, tolerance, 'must be greater than or equal to 0')
  }
  if (!policies?.length) yield required(`${path}.policies`, 'must specify at least one Policy')
  for (const [index, { type, value, periodSeconds }] of (policies ?? []).entries()) {
    const at = `${path}.policies[${index}]`
    if (type !== 'Pods' && type !== 'Percent') yield notSupported(`${at}.type`, type, ['Percent', 'Pods'])
    if (value <= 0) yield invalidValue(`${at}.value`, value, 'must be greater than zero')
    if (periodSeconds <= 0) yield invalidValue(`${at}.periodSeconds`, periodSeconds, 'must be greater than zero')
    if (periodSeconds > maxPeriodSeconds)
      yield invalidValue(`${at}.periodSeconds`, periodSeconds, `must be less than or equal to ${maxPeriodSeconds}`)
  }
}

function* autoscalerFaults({ spec }: V2HorizontalPodAutoscaler): Faults {
  const { minReplicas, maxReplicas = 0, metrics = [] } = spec
  if (minReplicas !== undefined && minReplicas < 1)
    yield invalidValue('spec.minReplicas', minReplicas, 'must be greater than or equal to 1')
  if (maxReplicas < 1) yield invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than 0')
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    yield invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`')
  }
  yield* referenceFaults('spec.scaleTargetRef', spec.scaleTargetRef ?? {})
  for (const [index, metric] of metrics.entries()) yield* metricFaults(`spec.metrics[${index}]`, metric)
  yield* rulesFaults('spec.behavior.scaleUp', spec.behavior?.scaleUp)
  yield* rulesFaults('spec.behavior.scaleDown', spec.behavior?.scaleDown)
}

export const validateAutoscaler = (autoscaler: V2HorizontalPodAutoscaler): FieldError[] => [...autoscalerFaults(autoscaler)]

export const validateAutoscalerStatus = ({ status }: V2HorizontalPodAutoscaler): FieldError[] => [
  ...nonNegativeFaults('status.currentReplicas', status?.currentReplicas),
  ...nonNegativeFaults('status.desiredReplicas', status?.desiredReplicas),
]
