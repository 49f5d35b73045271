import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf } from '../testing/kind-cases.ts'
import { limitRanges } from './limit-range.ts'
import { persistentVolumes } from './persistent-volume.ts'
import { persistentVolumeClaims } from './persistent-volume-claim.ts'
import { podTemplates } from './pod-template.ts'
import { replicationControllers } from './replication-controller.ts'
import { resourceQuotas } from './resource-quota.ts'

const volume = (spec: object): Record<string, unknown> => ({
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' }, ...spec },
})

describe('a PersistentVolume', () => {
  test('is filled in', () => {
    const { spec, status } = created(persistentVolumes, volume({}))
    expect(spec).toMatchObject({ persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem', hostPath: { path: '/x', type: '' } })
    expect(status).toEqual({ phase: 'Pending' })
  })

  test.each<Case>([
    ['that is sound', volume({}), []],
    [
      'of nothing',
      { spec: {} },
      [
        'spec.accessModes: Required value',
        'spec.capacity: Required value',
        'spec.capacity: Unsupported value: null: supported values: "storage"',
        'spec: Required value: must specify a volume type',
      ],
    ],
    ['of two places', volume({ nfs: { server: 's', path: '/' } }), ['spec.nfs: Forbidden: may not specify more than 1 volume type']],
    ['of no size', volume({ capacity: { storage: '0' } }), ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']],
    [
      'mounted in an unknown way',
      volume({ accessModes: ['Twice'] }),
      [
        'spec.accessModes: Unsupported value: "Twice": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      ],
    ],
    [
      'of one pod and of many',
      volume({ accessModes: ['ReadWriteOncePod', 'ReadWriteOnce'] }),
      ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
    ],
    [
      'on a disk of no node',
      volume({ hostPath: undefined, local: { path: '/x' } }),
      ['spec.nodeAffinity: Required value: Local volume requires node affinity'],
    ],
    [
      'with an unknown end',
      volume({ persistentVolumeReclaimPolicy: 'Keep' }),
      ['spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(persistentVolumes, fields)).toEqual(faults)
  })

  test('stays where it is', () => {
    expect(changeFaults(persistentVolumes, volume({}), volume({ hostPath: { path: '/y' } }))).toEqual([
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -1,6 +1,6 @@\n {\n  "hostPath": {\n-  "path": "/x",\n+  "path": "/y",\n   "type": ""\n  }\n }\n',
    ])
    expect(changeFaults(persistentVolumes, volume({}), volume({ claimRef: { name: 'c', namespace: 'd' } }))).toEqual([])
  })
})

const claim = (spec: object, status?: object): Record<string, unknown> => ({
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } }, ...spec },
  ...(status ? { status } : {}),
})

describe('a PersistentVolumeClaim', () => {
  test.each<Case>([
    ['that is sound', claim({}), []],
    [
      'for nothing',
      { spec: {} },
      ['spec.accessModes: Required value: at least 1 access mode is required', 'spec.resources[storage]: Required value'],
    ],
    [
      'of an unknown mode',
      claim({ volumeMode: 'Tape' }),
      ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
    ],
    ['filled from what the older field does not know, which is ignored', claim({ dataSource: { kind: 'Snapshot', name: 's' } }), []],
    [
      'filled from something of no group',
      claim({ dataSourceRef: { kind: 'Snapshot', name: 's' } }),
      ['dataSource', 'dataSourceRef'].map(
        (field) => `spec.${field}: Invalid value: "Snapshot": must be 'PersistentVolumeClaim' when referencing the default apiGroup`,
      ),
    ],
    [
      'filled from two things',
      claim({ dataSource: { kind: 'PersistentVolumeClaim', name: 'a' }, dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'b' } }),
      ['spec: Invalid value: "spec.dataSource": must match dataSourceRef'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(persistentVolumeClaims, fields)).toEqual(faults)
  })

  test('is bound once, and grows only then', () => {
    const grown = claim({ resources: { requests: { storage: '3Gi' } } })
    const fixed =
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'
    expect(changeFaults(persistentVolumeClaims, claim({}), claim({ volumeName: 'v', storageClassName: 'fast' }))).toEqual([])
    expect(changeFaults(persistentVolumeClaims, claim({ volumeName: 'v' }), claim({ volumeName: 'w' }))).toEqual([
      `${fixed}\n@@ -8,5 +8,5 @@\n   }\n  },\n  "volumeMode": "Filesystem",\n- "volumeName": "v"\n+ "volumeName": "w"\n }\n`,
    ])
    expect(changeFaults(persistentVolumeClaims, claim({}), grown)).toEqual([expect.stringContaining(`${fixed}\n@@`)])
    const bound = created(persistentVolumeClaims, claim({}))
    bound.status = { phase: 'Bound', capacity: { storage: '2Gi' } }
    expect(persistentVolumeClaims.validateUpdate({ ...created(persistentVolumeClaims, grown), status: bound.status }, bound)).toEqual([])
    const shrunk = { ...created(persistentVolumeClaims, claim({ resources: { requests: { storage: '1Gi' } } })), status: bound.status }
    expect(persistentVolumeClaims.validateUpdate(shrunk, bound)).toMatchObject([
      { field: 'spec.resources.requests.storage', message: 'Forbidden: field can not be less than status.capacity' },
    ])
  })
})

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }

describe('a ReplicationController', () => {
  test('takes selector and labels of its template', () => {
    const { metadata, spec } = created(replicationControllers, { spec: { template } })
    expect([metadata.labels, spec?.selector, spec?.replicas]).toEqual([{ app: 'a' }, { app: 'a' }, 1])
  })

  test.each<Case>([
    ['that is sound', { spec: { template } }, []],
    ['of nothing', {}, ['spec.selector: Required value', 'spec.template: Required value']],
    [
      'of other pods',
      { spec: { template, selector: { app: 'b' } } },
      ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(replicationControllers, fields)).toEqual(faults)
  })
})

const hard = (amounts: object): Record<string, unknown> => ({ spec: { hard: amounts } })

describe('a ResourceQuota', () => {
  test.each<Case>([
    [
      'that is sound',
      hard({
        pods: '3',
        'limits.cpu': '2',
        'requests.storage': '1Ti',
        'count/widgets.example.com': '5',
        'fast.storageclass.storage.k8s.io/requests.storage': '1Gi',
      }),
      [],
    ],
    ['of half a pod', hard({ pods: '500m' }), ['spec.hard[pods]: Invalid value: "500m": must be an integer']],
    ['of less than none', hard({ cpu: '-1' }), ['spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0']],
    [
      'of what nobody counts',
      hard({ widgets: '1' }),
      [
        'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource type or fully qualified',
        'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource for quota',
      ],
    ],
    [
      'of what the scope’s objects have not',
      { spec: { scopes: ['BestEffort'], hard: { pods: '1', cpu: '1' } } },
      ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
    ],
    [
      'of a scope by name that has none',
      { spec: { scopeSelector: { matchExpressions: [{ scopeName: 'Terminating', operator: 'In', values: ['a'] }] } } },
      [
        'spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be \'Exists\' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity',
      ],
    ],
    [
      'of classes without names',
      { spec: { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] } } },
      [
        "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      ],
    ],
    [
      'of pods that both end and do not',
      { spec: { scopes: ['Terminating', 'NotTerminating'] } },
      ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(resourceQuotas, fields)).toEqual(faults)
  })

  test('counts the same things for ever', () => {
    expect(changeFaults(resourceQuotas, { spec: { scopes: ['BestEffort'] } }, { spec: {} })).toEqual([
      'spec.scopes: Invalid value: null: field is immutable',
    ])
  })

  test('shows what is used of what may be', () => {
    const quota = created(resourceQuotas, {})
    quota.status = { hard: { pods: '3', cpu: '2', 'limits.cpu': '4' }, used: { pods: '1' } }
    expect(resourceQuotas.columns.slice(1, 3).map((column) => column.value(quota, 0))).toEqual(['cpu: 0/2, pods: 1/3', 'limits.cpu: 0/4'])
  })
})

const limits = (item: object): Record<string, unknown> => ({ spec: { limits: [{ type: 'Container', ...item }] } })

describe('a LimitRange', () => {
  test('fills in what containers get from what they may', () => {
    const item = (fields: object) => created(limitRanges, limits(fields)).spec?.limits[0]
    expect(item({ max: { cpu: '2' }, min: { cpu: '1', memory: '1Gi' } })).toMatchObject({
      default: { cpu: '2' },
      defaultRequest: { cpu: '2', memory: '1Gi' },
    })
    expect(item({ type: 'Pod', max: { cpu: '2' } })).toEqual({ type: 'Pod', max: { cpu: '2' } })
  })

  test.each<Case>([
    ['that is sound', limits({ max: { cpu: '2' }, min: { cpu: '1' } }), []],
    [
      'of what every object has in JavaScript',
      limits({ max: { cpu: '2' }, min: { constructor: '1' } }),
      ['min', 'defaultRequest'].flatMap((field) =>
        ['type or fully qualified', 'for containers'].map(
          (what) => `spec.limits[0].${field}[constructor]: Invalid value: "constructor": must be a standard resource ${what}`,
        ),
      ),
    ],
    [
      'whose least is above its most',
      limits({ max: { cpu: '1' }, min: { cpu: '2' }, default: { cpu: '1' }, defaultRequest: { cpu: '1' } }),
      [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
      ],
    ],
    [
      'that gives pods a default',
      { spec: { limits: [{ type: 'Pod', default: { cpu: '1' } }] } },
      ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    ],
    [
      'of what nothing is',
      { spec: { limits: [{ type: 'Thing' }] } },
      ['spec.limits[0].type: Invalid value: "Thing": must be a standard limit type or fully qualified'],
    ],
    [
      'with too small a ratio',
      limits({ maxLimitRequestRatio: { cpu: '500m' } }),
      ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
    ],
    [
      'of what containers have not',
      limits({ max: { storage: '1' } }),
      ['max', 'default', 'defaultRequest'].map(
        (field) => `spec.limits[0].${field}[storage]: Invalid value: "storage": must be a standard resource for containers`,
      ),
    ],
    [
      'that promises devices twice',
      limits({ default: { 'example.com/gpu': '2' }, defaultRequest: { 'example.com/gpu': '1' } }),
      [
        'spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/gpu',
      ],
    ],
    [
      'that speaks twice of one type',
      { spec: { limits: [{ type: 'Pod' }, { type: 'Pod' }] } },
      ['spec.limits[1].type: Duplicate value: "Pod"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(limitRanges, fields)).toEqual(faults)
  })
})

test('a PodTemplate’s pods are checked', () => {
  expect(faultsOf(podTemplates, { template })).toEqual([])
  expect(faultsOf(podTemplates, { template: { spec: { containers: [] } } })).toEqual(['template.spec.containers: Required value'])
})
