import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { pathSegmentFaults } from '../../machinery/names.ts'
import type { Faults } from '../field-checks.ts'
import type {
  V2CrossVersionObjectReference,
  V2HorizontalPodAutoscaler,
  V2HPAScalingRules,
  V2MetricIdentifier,
  V2MetricSpec,
  V2MetricTarget,
} from '../generated/types.ts'
import { isPositiveQuantity } from '../quantity-checks.ts'

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const maxWindowSeconds = 3600
const maxPeriodSeconds = 1800

function* segmentFaults(path: string, value: string | undefined): Faults {
  if (!value) yield required(path)
  else for (const message of pathSegmentFaults(value)) yield invalidValue(path, value, message)
}

function* referenceFaults(path: string, { kind, name }: Partial<V2CrossVersionObjectReference>): Faults {
  yield* segmentFaults(`${path}.kind`, kind)
  yield* segmentFaults(`${path}.name`, name)
}

function* identifierFaults(path: string, metric: Partial<V2MetricIdentifier> | undefined): Faults {
  yield* segmentFaults(`${path}.name`, metric?.name)
}

function* targetFaults(path: string, target: Partial<V2MetricTarget>): Faults {
  const { type, value, averageValue, averageUtilization } = target
  if (!type) yield required(`${path}.type`, 'must specify a metric target type')
  else if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    yield invalidValue(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue')
  }
  if (value !== undefined && !isPositiveQuantity(value)) yield invalidValue(`${path}.value`, value, 'must be positive')
  if (averageValue !== undefined && !isPositiveQuantity(averageValue))
    yield invalidValue(`${path}.averageValue`, averageValue, 'must be positive')
  if (averageUtilization !== undefined && averageUtilization < 1) {
    yield invalidValue(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0')
  }
}

function* resourceFaults(path: string, name: string | undefined, target: Partial<V2MetricTarget>): Faults {
  if (!name) yield required(`${path}.name`, 'must specify a resource name')
  yield* targetFaults(`${path}.target`, target)
  if (target.averageUtilization === undefined && target.averageValue === undefined) {
    yield required(`${path}.target.averageUtilization`, 'must set either a target raw value or a target utilization')
  }
  if (target.averageUtilization !== undefined && target.averageValue !== undefined) {
    yield forbiddenField(`${path}.target.averageValue`, 'may not set both a target raw value and a target utilization')
  }
}

const eitherTarget = 'must set either a target value for metric or a per-pod target'

function* metricFaults(path: string, metric: V2MetricSpec): Faults {
  if (!metric.type) yield required(`${path}.type`, 'must specify a metric source type')
  else if (!metricTypes.includes(metric.type)) yield notSupported(`${path}.type`, metric.type, metricTypes)
  const { object, pods, resource, containerResource, external } = metric
  const given = { object, pods, resource, containerResource, external }
  const field = metric.type ? `${metric.type.charAt(0).toLowerCase()}${metric.type.slice(1)}` : ''
  if (metricTypes.includes(metric.type) && !given[field as keyof typeof given]) {
    yield required(`${path}.${field}`, 'must populate information for the given metric source')
  }
  for (const [name, source] of Object.entries(given)) {
    if (source && metric.type && name !== field) yield forbiddenField(`${path}.${name}`, 'must populate the given metric source only')
  }
  if (object) {
    yield* referenceFaults(`${path}.object.describedObject`, object.describedObject ?? {})
    yield* identifierFaults(`${path}.object.metric`, object.metric)
    yield* targetFaults(`${path}.object.target`, object.target ?? {})
    if (object.target?.value === undefined && object.target?.averageValue === undefined)
      yield required(`${path}.object.target.averageValue`, eitherTarget)
  }
  if (external) {
    yield* identifierFaults(`${path}.external.metric`, external.metric)
    yield* targetFaults(`${path}.external.target`, external.target ?? {})
    if (external.target?.value === undefined && external.target?.averageValue === undefined) {
      yield required(`${path}.external.target.averageValue`, eitherTarget)
    }
  }
  if (pods) {
    yield* identifierFaults(`${path}.pods.metric`, pods.metric)
    yield* targetFaults(`${path}.pods.target`, pods.target ?? {})
    if (pods.target?.averageValue === undefined)
      yield required(`${path}.pods.target.averageValue`, 'must specify a positive target averageValue')
  }
  if (resource) yield* resourceFaults(`${path}.resource`, resource.name, resource.target ?? {})
  if (containerResource) {
    yield* resourceFaults(`${path}.containerResource`, containerResource.name, containerResource.target ?? {})
    if (!containerResource.container) yield required(`${path}.containerResource.container`, 'must specify a container')
  }
}

function* rulesFaults(path: string, rules: V2HPAScalingRules | undefined): Faults {
  if (!rules) return
  const { stabilizationWindowSeconds: window, selectPolicy, policies } = rules
  if (window !== undefined && window < 0)
    yield invalidValue(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero')
  if (window !== undefined && window > maxWindowSeconds) {
    yield invalidValue(`${path}.stabilizationWindowSeconds`, window, `must be less than or equal to ${maxWindowSeconds}`)
  }
  if (selectPolicy !== undefined && !['Disabled', 'Max', 'Min'].includes(selectPolicy)) {
    yield notSupported(`${path}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min'])
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
