import { none } from '../columns.ts'
import type { V2HorizontalPodAutoscaler, V2MetricSpec, V2MetricStatus, V2MetricTarget, V2MetricValueStatus } from '../generated/types.ts'

const shownMetrics = 2
const unknown = '<unknown>'

interface Part {
  readonly name?: string
  readonly target?: V2MetricTarget
}

function partOf(metric: V2MetricSpec): Part | undefined {
  switch (metric.type) {
    case 'External':
      return metric.external
    case 'Pods':
      return metric.pods
    case 'Object':
      return metric.object
    case 'Resource':
      return metric.resource
    case 'ContainerResource':
      return metric.containerResource
    default:
      return undefined
  }
}

function currentOf(type: string, status: V2MetricStatus | undefined): V2MetricValueStatus | undefined {
  const parts: Readonly<Record<string, { current?: V2MetricValueStatus } | undefined>> = {
    External: status?.external,
    Pods: status?.pods,
    Object: status?.object,
    Resource: status?.resource,
    ContainerResource: status?.containerResource,
  }
  return parts[type]?.current
}

const percent = (share: number | undefined, otherwise: string): string => (share === undefined ? otherwise : `${share}%`)

/** `cpu: 30%/80%`, `10/20`, `5/8 (avg)`: what is measured of what is aimed at. */
function metricText(metric: V2MetricSpec, status: V2MetricStatus | undefined): string {
  const part = partOf(metric)
  if (!part) return '<unknown type>'
  const { target = {} as V2MetricTarget, name } = part
  const current = currentOf(metric.type, status)
  if (metric.type === 'Resource' || metric.type === 'ContainerResource') {
    if (target.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`
    return `${name}: ${percent(current?.averageUtilization, unknown)}/${percent(target.averageUtilization, '<auto>')}`
  }
  if (metric.type === 'Pods') return `${current?.averageValue ?? unknown}/${target.averageValue ?? ''}`
  if (target.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`
  return `${current?.value ?? unknown}/${target.value ?? ''}`
}

export function metricsText({ spec, status }: V2HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? []
  if (metrics.length === 0) return none
  const texts = metrics.map((metric, index) => metricText(metric, status?.currentMetrics?.[index]))
  const shown = texts.slice(0, shownMetrics).join(', ')
  return texts.length > shownMetrics ? `${shown} + ${texts.length - shownMetrics} more...` : shown
}
