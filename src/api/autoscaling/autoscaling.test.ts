import { describe, expect, test } from 'vitest'
import type { Kind } from '../kind.ts'
import { type Case, created, faultsOf, statusFaults } from '../testing/kind-cases.ts'
import { fromV2, toV2 } from './conversion.ts'
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1 } from './horizontal-pod-autoscaler.ts'

const target = { kind: 'Deployment', name: 'web' }
const of = (spec: object): Record<string, unknown> => ({ spec: { scaleTargetRef: target, maxReplicas: 3, ...spec } })
const cpu = (share: number) => ({ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: share } } })
const pods = { type: 'Pods', pods: { metric: { name: 'hits' }, target: { type: 'AverageValue', averageValue: '10' } } }

describe('a HorizontalPodAutoscaler', () => {
  test('is filled in: four fifths of the cpu, and fast up, slowly down where behaviour is asked for', () => {
    const { spec, status } = created(horizontalPodAutoscalers, of({ behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } }))
    expect(spec).toMatchObject({ minReplicas: 1, metrics: [cpu(80)] })
    expect(spec.behavior).toEqual({
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 15 },
          { type: 'Percent', value: 100, periodSeconds: 15 },
        ],
      },
      scaleDown: { stabilizationWindowSeconds: 60, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
    })
    expect(status).toEqual({ desiredReplicas: 0 })
  })

  test.each<Case>([
    ['that is sound', of({ metrics: [cpu(50), pods] }), []],
    [
      'of nothing',
      { spec: {} },
      [
        'spec.maxReplicas: Invalid value: 0: must be greater than 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
        'spec.scaleTargetRef.kind: Required value',
        'spec.scaleTargetRef.name: Required value',
      ],
    ],
    [
      'whose least is above its most',
      of({ minReplicas: 5 }),
      ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
    ],
    [
      'of an unknown metric',
      of({ metrics: [{ type: 'Mood' }] }),
      ['spec.metrics[0].type: Unsupported value: "Mood": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"'],
    ],
    [
      'of a metric that says nothing',
      of({ metrics: [{ type: 'Pods' }] }),
      ['spec.metrics[0].pods: Required value: must populate information for the given metric source'],
    ],
    [
      'of a share of nothing',
      of({ metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization' } } }] }),
      ['spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization'],
    ],
    [
      'of two things at once',
      of({ metrics: [{ ...pods, ...cpu(50) }] }),
      ['spec.metrics[0].pods: Forbidden: must populate the given metric source only'],
    ],
    [
      'of a metric of no name',
      of({ metrics: [{ type: 'Pods', pods: { metric: {}, target: {} } }] }),
      [
        'spec.metrics[0].pods.metric.name: Required value: must specify a metric name',
        'spec.metrics[0].pods.target.type: Required value: must specify a metric target type',
        'spec.metrics[0].pods.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        'spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue',
      ],
    ],
    [
      'of an object that is measured at nothing',
      of({ metrics: [{ type: 'Object', object: { describedObject: target, metric: { name: 'm' }, target: { type: 'Value' } } }] }),
      ['spec.metrics[0].object.target.averageValue: Required value: must set either a target value or averageValue'],
    ],
    [
      'of one container’s use of nothing',
      of({
        metrics: [
          {
            type: 'ContainerResource',
            containerResource: { name: 'cpu', container: 'A', target: { type: 'Utilization', averageUtilization: 1, averageValue: '1' } },
          },
        ],
      }),
      [
        expect.stringMatching(/^spec.metrics\[0\].containerResource.container: Invalid value: "A": a lowercase RFC 1123 label/),
        'spec.metrics[0].containerResource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization',
      ],
    ],
    [
      'that tolerates less than nothing',
      of({ behavior: { scaleUp: { tolerance: '-0.1' } } }),
      ['spec.behavior.scaleUp.tolerance: Invalid value: "-0.1": must be greater than or equal to 0'],
    ],
    [
      'that looks back too far',
      of({ behavior: { scaleDown: { stabilizationWindowSeconds: 4000 } } }),
      ['spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(horizontalPodAutoscalers, fields)).toEqual(faults)
  })

  test('counts from nothing', () => {
    expect(statusFaults(horizontalPodAutoscalers, of({}), { currentReplicas: -1, desiredReplicas: -1 })).toEqual(
      ['current', 'desired'].map((which) => `status.${which}Replicas: Invalid value: -1: must be greater than or equal to 0`),
    )
  })

  test('shows what is measured of what is aimed at', () => {
    const autoscaler = created(horizontalPodAutoscalers, of({ metrics: [cpu(50), pods, pods] }))
    autoscaler.status = {
      desiredReplicas: 2,
      currentReplicas: 2,
      currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 30 } } }],
    }
    expect(horizontalPodAutoscalers.columns.slice(1, 6).map((column) => column.value(autoscaler, 0))).toEqual([
      'Deployment/web',
      'cpu: 30%/50%, <unknown>/10 + 1 more...',
      '1',
      3,
      2,
    ])
  })
})

describe('the first version', () => {
  const whole = created(horizontalPodAutoscalers, of({ metrics: [pods, cpu(50)], behavior: { scaleUp: { selectPolicy: 'Min' } } }))
  test('has a field for the cpu and annotations for the rest', () => {
    const { metadata, spec, apiVersion } = fromV2(whole)
    expect(apiVersion).toBe('autoscaling/v1')
    expect(spec).toEqual({ scaleTargetRef: target, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 50 })
    expect(Object.keys(metadata.annotations ?? {})).toEqual([
      'autoscaling.alpha.kubernetes.io/metrics',
      'autoscaling.alpha.kubernetes.io/behavior',
    ])
  })

  test('loses nothing on its way there and back', () => {
    expect(toV2(fromV2(whole))).toEqual(whole)
  })

  test('shows the same row, and takes nonsense in an annotation for nothing', () => {
    const row = (kind: Kind, object: unknown): unknown[] => kind.columns.slice(1, 6).map((column) => column.value(object as never, 0))
    expect(row(horizontalPodAutoscalersV1 as unknown as Kind, fromV2(whole))).toEqual(
      row(horizontalPodAutoscalers as unknown as Kind, whole),
    )
    const { metadata, ...rest } = fromV2(created(horizontalPodAutoscalers, of({})))
    const odd = { ...rest, metadata: { ...metadata, annotations: { 'autoscaling.alpha.kubernetes.io/metrics': 'no json' } } }
    expect(toV2(odd).spec.metrics).toEqual([cpu(80)])
  })
})
