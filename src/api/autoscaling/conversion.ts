import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerStatus,
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerStatus,
  V2MetricSpec,
  V2MetricStatus,
} from '../generated/types.ts'

const annotation = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
}

/** Whether v1 has a field of its own for a metric: the share of its request of the cpu that pods use. */
const isCpuShare = (metric: V2MetricSpec): boolean =>
  metric.type === 'Resource' && metric.resource?.name === 'cpu' && metric.resource.target?.averageUtilization !== undefined

function read<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch (error) {
    // What a client has written there by hand and wrongly is as good as nothing.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Takes the annotations of the other form out of the metadata. */
function withoutAnnotations<T extends { annotations?: Record<string, string> }>(metadata: T): T {
  const own = new Set(Object.values(annotation))
  const rest = Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([key]) => !own.has(key)))
  const { annotations: _, ...others } = metadata
  return { ...others, ...(Object.keys(rest).length > 0 ? { annotations: rest } : {}) } as T
}

/** autoscaling/v1 as it is stored. */
export function toV2(object: HorizontalPodAutoscaler): V2HorizontalPodAutoscaler {
  const notes = object.metadata.annotations ?? {}
  const { targetCPUUtilizationPercentage: share, ...spec } = object.spec ?? ({} as HorizontalPodAutoscaler['spec'])
  const cpu: V2MetricSpec[] =
    share === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: share } } }]
  const metrics = [...(read<V2MetricSpec[]>(notes[annotation.metrics]) ?? []), ...cpu]
  const behavior = read<NonNullable<V2HorizontalPodAutoscaler['spec']['behavior']>>(notes[annotation.behavior])
  return {
    ...object,
    apiVersion: 'autoscaling/v2',
    metadata: withoutAnnotations(object.metadata),
    spec: { ...spec, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior ? { behavior } : {}) },
    ...(object.status ? { status: statusToV2(object.status, notes) } : {}),
  } as V2HorizontalPodAutoscaler
}

function statusToV2(status: HorizontalPodAutoscalerStatus, notes: Readonly<Record<string, string>>): V2HorizontalPodAutoscalerStatus {
  const { currentCPUUtilizationPercentage: share, currentReplicas, ...rest } = status
  const cpu: V2MetricStatus[] =
    share === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: share } } }]
  const currentMetrics = [...(read<V2MetricStatus[]>(notes[annotation.currentMetrics]) ?? []), ...cpu]
  const conditions = read<V2HorizontalPodAutoscalerStatus['conditions']>(notes[annotation.conditions])
  return {
    ...rest,
    // v1 says zero where v2 says nothing.
    ...(currentReplicas ? { currentReplicas } : {}),
    ...(currentMetrics.length > 0 ? { currentMetrics } : {}),
    ...(conditions ? { conditions } : {}),
  }
}

/** The stored form as autoscaling/v1: what that has no fields for goes into annotations. */
export function fromV2(object: V2HorizontalPodAutoscaler): HorizontalPodAutoscaler {
  const { metrics = [], behavior, ...spec } = object.spec ?? ({} as V2HorizontalPodAutoscaler['spec'])
  const { currentMetrics = [], conditions, ...status } = object.status ?? {}
  const cpu = metrics.find(isCpuShare)
  const cpuStatus = currentMetrics.find(({ resource }) => resource?.name === 'cpu' && resource.current?.averageUtilization !== undefined)
  const notes: Record<string, string> = {}
  const note = (key: keyof typeof annotation, value: unknown): void => {
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) notes[annotation[key]] = JSON.stringify(value)
  }
  note(
    'metrics',
    metrics.filter((metric) => metric !== cpu),
  )
  note(
    'currentMetrics',
    currentMetrics.filter((metric) => metric !== cpuStatus),
  )
  note('conditions', conditions)
  note('behavior', behavior)
  const share = cpu?.resource?.target?.averageUtilization
  const currentShare = cpuStatus?.resource?.current?.averageUtilization
  const annotations = { ...withoutAnnotations(object.metadata).annotations, ...notes }
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    metadata: { ...object.metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: { ...spec, ...(share === undefined ? {} : { targetCPUUtilizationPercentage: share }) },
    ...(object.status
      ? {
          status: {
            currentReplicas: 0,
            desiredReplicas: 0,
            ...status,
            ...(currentShare === undefined ? {} : { currentCPUUtilizationPercentage: currentShare }),
          },
        }
      : {}),
  } as HorizontalPodAutoscaler
}
