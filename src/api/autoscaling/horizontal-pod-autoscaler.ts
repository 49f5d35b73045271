import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type {
  HorizontalPodAutoscaler,
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerBehavior,
  V2HorizontalPodAutoscalerSpec,
} from '../generated/types.ts'
import type { Kind } from '../kind.ts'
import { fromV2, toV2 } from './conversion.ts'
import { metricsText } from './metrics-column.ts'
import { validateAutoscaler, validateAutoscalerStatus } from './validation.ts'

/** Grow at once by the larger of four pods and all that there are; shrink by as much as wanted; every 15 seconds. */
function setBehaviorDefaults(behavior: V2HorizontalPodAutoscalerBehavior): void {
  const { scaleUp, scaleDown } = behavior
  const wholly = { type: 'Percent', value: 100, periodSeconds: 15 }
  behavior.scaleUp = {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, wholly],
    ...scaleUp,
  }
  behavior.scaleDown = { selectPolicy: 'Max', policies: [{ ...wholly }], ...scaleDown }
}

function setAutoscalerDefaults(autoscaler: V2HorizontalPodAutoscaler): void {
  autoscaler.spec ??= {} as V2HorizontalPodAutoscalerSpec
  const { spec } = autoscaler
  spec.minReplicas ??= 1
  if (!spec.metrics?.length) {
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
  }
  if (spec.behavior) setBehaviorDefaults(spec.behavior)
}

const row = {
  group: 'autoscaling',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  hasStatus: true,
  countsGeneration: true,
}

const columns: Kind<V2HorizontalPodAutoscaler>['columns'] = [
  nameColumn,
  column('Reference', 'string', 'What is scaled.', ({ spec }) => `${spec.scaleTargetRef?.kind ?? ''}/${spec.scaleTargetRef?.name ?? ''}`),
  column('Targets', 'string', 'What is measured, of what is aimed at.', metricsText),
  column('MinPods', 'string', 'The fewest replicas.', ({ spec }) =>
    spec.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
  ),
  column('MaxPods', 'string', 'The most replicas.', ({ spec }) => spec.maxReplicas ?? 0),
  column('Replicas', 'string', 'Replicas that there are.', ({ status }) => status?.currentReplicas ?? 0),
  ageColumn,
]

export const horizontalPodAutoscalers = defineKind<V2HorizontalPodAutoscaler>({
  ...row,
  version: 'v2',
  typeName: 'V2HorizontalPodAutoscaler',
  newStatus: { desiredReplicas: 0 },
  columns,
  setDefaults: setAutoscalerDefaults,
  validate: validateAutoscaler,
  validateStatusUpdate: validateAutoscalerStatus,
})

/** The same objects as before there were metrics of many kinds: the others lie in annotations. */
export const horizontalPodAutoscalersV1 = defineKind<HorizontalPodAutoscaler>({
  ...row,
  version: 'v1',
  columns: columns.map((one) => ({ ...one, value: (object, nowMs) => one.value(toV2(structuredClone(object)), nowMs) })),
  storedAs: {
    kind: horizontalPodAutoscalers as unknown as Kind,
    toStored: toV2,
    fromStored: (object) => fromV2(object as V2HorizontalPodAutoscaler),
  },
  setDefaults: (autoscaler) => {
    autoscaler.spec ??= {} as HorizontalPodAutoscaler['spec']
    autoscaler.spec.minReplicas ??= 1
  },
})
