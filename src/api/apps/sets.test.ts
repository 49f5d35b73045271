import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf } from '../testing/kind-cases.ts'
import { controllerRevisions } from './controller-revision.ts'
import { daemonSets } from './daemon-set.ts'
import { statefulSets } from './stateful-set.ts'

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }
const of = (spec: object): Record<string, unknown> => ({ spec: { selector: { matchLabels: { app: 'a' } }, template, ...spec } })
const claim = { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }

describe('a StatefulSet', () => {
  test('is filled in', () => {
    const { spec, status } = created(statefulSets, of({ volumeClaimTemplates: [claim] }))
    const { template: _, selector: _s, volumeClaimTemplates: claims, ...rest } = spec
    expect(rest).toEqual({
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      replicas: 1,
      revisionHistoryLimit: 10,
    })
    expect(claims?.[0]).toMatchObject({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      spec: { volumeMode: 'Filesystem' },
      status: { phase: 'Pending' },
    })
    expect(status).toEqual({ replicas: 0, availableReplicas: 0 })
  })

  test.each<Case>([
    ['that is sound', of({ serviceName: 'one' }), []],
    [
      'of an unknown order',
      of({ podManagementPolicy: 'Backwards' }),
      ["spec.podManagementPolicy: Invalid value: \"Backwards\": must be 'OrderedReady' or 'Parallel'"],
    ],
    [
      'with a part of what it does not do',
      of({ updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } }),
      ['spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy \'RollingUpdate\''],
    ],
    ['of fewer than none', of({ replicas: -1 }), ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    [
      'of other pods',
      of({ selector: { matchLabels: { app: 'b' } } }),
      ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
    ],
    [
      'that counts from below zero',
      of({ ordinals: { start: -1 } }),
      ['spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(statefulSets, fields)).toEqual(faults)
  })

  test('changes only what leaves its pods’ names and volumes', () => {
    expect(
      changeFaults(
        statefulSets,
        of({}),
        of({ replicas: 3, minReadySeconds: 5, template: { ...template, spec: { containers: [{ name: 'c', image: 'y' }] } } }),
      ),
    ).toEqual([])
    expect(changeFaults(statefulSets, of({ serviceName: 'a' }), of({ serviceName: 'b' }))).toEqual([
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ])
  })
})

describe('a DaemonSet', () => {
  test('is filled in', () => {
    const { updateStrategy, revisionHistoryLimit } = created(daemonSets, of({})).spec
    expect({ updateStrategy, revisionHistoryLimit }).toEqual({
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      revisionHistoryLimit: 10,
    })
  })

  const rolling = (rollingUpdate: object): Record<string, unknown> => of({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } })
  test.each<Case>([
    ['that is sound', of({}), []],
    [
      'that may neither add nor remove a pod',
      rolling({ maxUnavailable: 0 }),
      ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0'],
    ],
    [
      'that does both',
      rolling({ maxUnavailable: 1, maxSurge: '10%' }),
      ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "10%": may not be set when maxUnavailable is non-zero'],
    ],
    [
      'whose pods end',
      of({ template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } }),
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    ['that selects everything', of({ selector: {} }), ['spec.selector: Invalid value: {}: empty selector is invalid for daemonset']],
    [
      'whose pods have an end set',
      of({ template: { ...template, spec: { ...template.spec, activeDeadlineSeconds: 1 } } }),
      ['spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(daemonSets, fields)).toEqual(faults)
  })

  test('keeps its selector', () => {
    const other = { selector: { matchLabels: { app: 'b' } }, template: { ...template, metadata: { labels: { app: 'b' } } } }
    expect(changeFaults(daemonSets, of({}), of(other))).toEqual([
      'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
    ])
  })
})

test('a ControllerRevision keeps its data and names its controller', () => {
  expect(faultsOf(controllerRevisions, { data: { a: 1 }, revision: 2 })).toEqual([])
  expect(faultsOf(controllerRevisions, { revision: -1 })).toEqual([
    'data: Required value: data is mandatory',
    'revision: Invalid value: -1: must be greater than or equal to 0',
  ])
  expect(changeFaults(controllerRevisions, { data: { a: 1 } }, { data: { a: 2 } })).toEqual([
    'data: Invalid value: {"a":2}: field is immutable',
  ])
  const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u', controller: true }
  const owned = created(controllerRevisions, { data: {}, metadata: { ownerReferences: [owner] } })
  expect(controllerRevisions.columns[1]?.value(owned, 0)).toBe('statefulset.apps/db')
})
