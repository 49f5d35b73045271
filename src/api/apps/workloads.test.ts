import { describe, expect, test } from 'vitest'
import type { FieldError } from '../../machinery/field-error.ts'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../generated/types.ts'
import { deployments } from './deployment.ts'
import { replicaSets } from './replica-set.ts'

const selector = { matchLabels: { app: 'web' } }
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'nginx' }] } }
const metadata = { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-03-01T11:00:00Z' }

function deploymentOf(spec: Partial<DeploymentSpec>): Deployment {
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: structuredClone({ selector, template, ...spec }) }
  deployments.setDefaults(deployment)
  return deployment
}

const texts = (faults: readonly FieldError[]): string[] => faults.map((fault) => `${fault.field}: ${fault.message}`)

describe('a Deployment', () => {
  test('is filled in', () => {
    const { template: _, selector: __, ...spec } = deploymentOf({}).spec
    expect(spec).toEqual({
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
    })
  })

  test.each<[string, Partial<DeploymentSpec>, string[]]>([
    ['that is sound', {}, []],
    ['of none', { replicas: 0 }, []],
    ['of fewer than none', { replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    [
      'whose template has other labels',
      { selector: { matchLabels: { app: 'other' } } },
      ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    ],
    ['that selects everything', { selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
    [
      'that selects nothing',
      { selector: undefined },
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
      ],
    ],
    [
      'whose pods end',
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      'that may neither add nor remove a pod',
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
    ],
    [
      'with a share that is none',
      { strategy: { rollingUpdate: { maxSurge: 'half' } } },
      [
        "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"half\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ],
    ],
    [
      'that is replaced at once, bit by bit',
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
    [
      'with a deadline before it can be ready',
      { minReadySeconds: 600 },
      ['spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds'],
    ],
    [
      'whose container has no image',
      { template: { ...template, spec: { containers: [{ name: 'main' }] } } },
      ['spec.template.spec.containers[0].image: Required value'],
    ],
  ])('%s', (_, spec, faults) => expect(texts(deployments.validate(deploymentOf(spec)))).toEqual(faults))

  test('keeps its selector', () => {
    const other = deploymentOf({ selector: { matchLabels: { app: 'web', tier: 'x' } } })
    expect(texts(deployments.validateUpdate(other, deploymentOf({})))).toEqual([
      'spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable',
    ])
  })

  test('has its row', () => {
    const deployment = { ...deploymentOf({ replicas: 3 }), status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 } }
    const row = deployments.columns.map((column) => column.value(deployment, Date.parse('2026-03-01T11:02:00Z')))
    expect(row).toEqual(['web', '2/3', 3, 1, '2m', 'main', 'nginx', 'app=web'])
  })
})

describe('a ReplicaSet', () => {
  const set = (spec: Partial<ReplicaSet['spec']>): ReplicaSet => {
    const made: ReplicaSet = { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata, spec: structuredClone({ selector, template, ...spec }) }
    replicaSets.setDefaults(made)
    return made
  }

  test('wants one pod unless told otherwise, and shows how many there are', () => {
    const one = { ...set({}), status: { replicas: 1 } }
    const row = replicaSets.columns.map((column) => column.value(one, Date.parse('2026-03-01T11:02:00Z')))
    expect(row).toEqual(['web', 1, 1, 0, '2m', 'main', 'nginx', 'app=web'])
  })

  test('finds its own pods', () => {
    const expression = { matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'api'] }] }
    expect(replicaSets.validate(set({ selector: expression }))).toEqual([])
    const wrong = { matchExpressions: [{ key: 'app', operator: 'Like', values: ['web'] }] }
    expect(texts(replicaSets.validate(set({ selector: wrong })))).toEqual([
      'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Like","values":["web"]}]}: invalid label selector',
    ])
  })
})
