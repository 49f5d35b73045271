import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../machinery/object.ts'
import type { Kind } from '../kind.ts'
import { type Case, changeFaults, created, faultsOf, statusFaults, warningsOf } from '../testing/kind-cases.ts'
import { controllerRevisions } from './controller-revision.ts'
import { daemonSets } from './daemon-set.ts'
import { deployments } from './deployment.ts'
import { replicaSets } from './replica-set.ts'
import { statefulSets } from './stateful-set.ts'

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }
const of = (spec: object): Record<string, unknown> => ({ spec: { selector: { matchLabels: { app: 'a' } }, template, ...spec } })
const claim = { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }

const labelRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

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
    [
      'whose claims have no size',
      of({ volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }] }),
      ['spec.volumeClaimTemplates[0].spec.resources[storage]: Required value'],
    ],
    [
      'whose service has a name that is none',
      of({ serviceName: 'a.b' }),
      ['spec.serviceName: Invalid value: "a.b": must not contain dots'],
    ],
    [
      'that keeps its claims for a while',
      of({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Later' } }),
      ['spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Later": supported values: "Retain", "Delete"'],
    ],
    [
      'whose pods mount its claims and have no names of their own',
      of({
        volumeClaimTemplates: [claim],
        template: {
          ...template,
          spec: { hostname: 'A.B', containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'data', mountPath: '/d' }] }] },
        },
      }),
      [],
    ],
    [
      'of a selector that is none',
      of({ selector: { matchLabels: { app: '-' } } }),
      [`spec.selector.matchLabels: Invalid value: "-": ${labelRule}`, 'spec.selector: Invalid value: {"matchLabels":{"app":"-"}}'],
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
    'revision: Invalid value: -1: must be greater than or equal to 0',
    'data: Required value: data is mandatory',
  ])
  expect(faultsOf(controllerRevisions, { data: 'a' })).toEqual(['data: Required value: data must be a valid JSON object'])
  expect(changeFaults(controllerRevisions, { data: { a: 1 } }, { data: { a: 2 } })).toEqual([
    'data: Invalid value: {"a":2}: field is immutable',
  ])
  const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u', controller: true }
  const owned = created(controllerRevisions, { data: {}, metadata: { ownerReferences: [owner] } })
  expect(controllerRevisions.columns[1]?.value(owned, 0)).toBe('statefulset.apps/db')
})

describe('a status', () => {
  test.each([
    [
      'of fewer than none',
      statefulSets,
      { replicas: -1 },
      {},
      [
        'status.replicas: Invalid value: -1: must be greater than or equal to 0',
        ...['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'].map(
          (field) => `status.${field}: Invalid value: 0: cannot be greater than status.replicas`,
        ),
      ],
    ],
    [
      'with more ready than there are',
      statefulSets,
      { replicas: 1, readyReplicas: 2, availableReplicas: 1 },
      {},
      ['status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas'],
    ],
    [
      'with more available than ready',
      statefulSets,
      { replicas: 2, readyReplicas: 1, availableReplicas: 2 },
      {},
      ['status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas'],
    ],
    [
      'of a Deployment with more available than ready',
      deployments,
      { replicas: 2, readyReplicas: 1, availableReplicas: 2 },
      {},
      ['status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas'],
    ],
    [
      'of a ReplicaSet with more labelled than there are',
      replicaSets,
      { replicas: 1, fullyLabeledReplicas: 2 },
      {},
      ['status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas'],
    ],
    [
      'that forgets collisions',
      daemonSets,
      { collisionCount: 1 },
      { collisionCount: 2 },
      ['status.collisionCount: Invalid value: 1: cannot be decremented'],
    ],
    [
      'with nodes fewer than none',
      daemonSets,
      { numberReady: -1 },
      {},
      ['status.numberReady: Invalid value: -1: must be greater than or equal to 0'],
    ],
    ['that is sound', deployments, { replicas: 2, readyReplicas: 2, availableReplicas: 1, collisionCount: 3 }, { collisionCount: 2 }, []],
  ])('%s', (_, kind, now, before, faults) => {
    expect(statusFaults<KubeObject>(kind as unknown as Kind, of({}), now, before)).toEqual(faults)
  })
})

describe('a warning', () => {
  const pods = { ...template, spec: { ...template.spec, nodeSelector: { 'beta.kubernetes.io/os': 'linux' } } }
  const old = 'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'
  const dotted =
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]'

  test.each([
    ['of what its pods need', daemonSets, of({ template: pods }), undefined, [old]],
    ['of a name that hosts cannot have', deployments, { ...of({}), metadata: { name: 'a.b' } }, undefined, [dotted]],
    ['of neither when nothing changed', deployments, { ...of({ template: pods }), metadata: { name: 'a.b' } }, of({ template: pods }), []],
    ['of the pods alone when they changed', replicaSets, { ...of({ template: pods }), metadata: { name: 'a.b' } }, of({}), [old]],
    [
      'of sizes in parts of a byte, and of a history for ever',
      statefulSets,
      of({
        revisionHistoryLimit: -1,
        volumeClaimTemplates: [{ ...claim, spec: { ...claim.spec, resources: { requests: { storage: '100m' } } } }],
      }),
      undefined,
      [
        'spec.volumeClaimTemplates[0].resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer',
        'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
      ],
    ],
  ])('%s', (_, kind, fields, before, warnings) => {
    expect(warningsOf<KubeObject>(kind as unknown as Kind, fields, before)).toEqual(warnings)
  })
})
