import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf, statusFaults, warningsOf } from '../testing/kind-cases.ts'
import { csiDrivers } from './csi-driver.ts'
import { csiNodes } from './csi-node.ts'
import { csiStorageCapacities } from './csi-storage-capacity.ts'
import { storageClasses } from './storage-class.ts'
import { volumeAttachments } from './volume-attachment.ts'
import { volumeAttributesClasses } from './volume-attributes-class.ts'

const storageClass = (fields: object): Record<string, unknown> => ({ provisioner: 'example.com/disk', ...fields })

describe('a StorageClass', () => {
  test('is filled in and says whether it is the default', () => {
    const annotated = created(
      storageClasses,
      storageClass({ metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } }),
    )
    expect(annotated).toMatchObject({ reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' })
    expect(storageClasses.columns[0]?.value(annotated, 0)).toBe('one (default)')
  })

  test.each<Case>([
    ['that is sound', storageClass({}), []],
    ['of nobody', {}, ['provisioner: Required value']],
    [
      'with an unknown end',
      storageClass({ reclaimPolicy: 'Keep' }),
      ['reclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Retain"'],
    ],
    [
      'bound some time',
      storageClass({ volumeBindingMode: 'Later' }),
      ['volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'],
    ],
    ['with a parameter of no name', storageClass({ parameters: { '': 'x' } }), ['parameters: Invalid value: "": field can not be empty.']],
    [
      'with more parameters than it may have',
      storageClass({ parameters: Object.fromEntries(Array.from({ length: 513 }, (_, index) => [index, ''])) }),
      ['parameters: Too long: may not be more than 512 bytes'],
    ],
    [
      'that says a place twice',
      storageClass({
        allowedTopologies: [
          { matchLabelExpressions: [{ key: 'zone', values: ['a', 'b'] }] },
          { matchLabelExpressions: [{ key: 'zone', values: ['b', 'a'] }] },
          { matchLabelExpressions: [{ key: 'zone' }] },
        ],
      }),
      [
        'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
        'allowedTopologies[2].matchLabelExpressions[0].values: Required value',
      ],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(storageClasses, fields)).toEqual(faults)
  })

  test('stays what its volumes were made by', () => {
    expect(changeFaults(storageClasses, storageClass({}), storageClass({ allowVolumeExpansion: true }))).toEqual([])
    expect(
      changeFaults(storageClasses, storageClass({}), storageClass({ provisioner: 'example.com/other', parameters: { a: 'b' } })),
    ).toEqual([
      'parameters: Invalid value: {"a":"b"}: field is immutable',
      'provisioner: Invalid value: "example.com/other": field is immutable',
    ])
  })

  test('is warned of labels that nodes no longer have', () => {
    const key = 'failure-domain.beta.kubernetes.io/zone'
    expect(warningsOf(storageClasses, storageClass({ allowedTopologies: [{ matchLabelExpressions: [{ key, values: ['a'] }] }] }))).toEqual([
      `allowedTopologies[0].matchLabelExpressions[0].key: ${key} is deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
    ])
  })
})

describe('a CSIDriver', () => {
  test('is filled in', () => {
    expect(created(csiDrivers, { spec: {} }).spec).toEqual({
      attachRequired: true,
      podInfoOnMount: false,
      storageCapacity: false,
      fsGroupPolicy: 'ReadWriteOnceWithFSType',
      volumeLifecycleModes: ['Persistent'],
      requiresRepublish: false,
      seLinuxMount: false,
    })
  })

  test.each<Case>([
    ['that is sound', { metadata: { name: 'disk.example.com' } }, []],
    [
      'of an unknown mode',
      { spec: { volumeLifecycleModes: ['Never'] } },
      ['spec.volumeLifecycleModes: Unsupported value: "Never": supported values: "Persistent", "Ephemeral"'],
    ],
    [
      'that asks for two tokens of one kind',
      { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'a', expirationSeconds: 60 }] } },
      ['spec.tokenRequests[1].audience: Duplicate value: "a"'],
    ],
    [
      'that asks for a token of a moment',
      { spec: { tokenRequests: [{ audience: 'a', expirationSeconds: 60 }] } },
      ['spec.tokenRequests[0].expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes'],
    ],
    [
      'that asks again at once, and hides no tokens',
      { spec: { nodeAllocatableUpdatePeriodSeconds: 1, serviceAccountTokenInSecrets: true } },
      [
        'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 1: must be greater than or equal to 10 seconds',
        'spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified',
      ],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(csiDrivers, fields)).toEqual(faults)
  })

  test('attaches as it did before', () => {
    expect(changeFaults(csiDrivers, {}, { spec: { attachRequired: false } })).toEqual([
      'spec.attachedRequired: Invalid value: false: field is immutable',
    ])
  })
})

test('a CSINode knows each driver once', () => {
  const driver = { name: 'a.example.com', nodeID: 'n' }
  expect(faultsOf(csiNodes, { spec: { drivers: [driver] } })).toEqual([])
  expect(faultsOf(csiNodes, { spec: { drivers: [driver, { ...driver, nodeID: '' }] } })).toEqual([
    'spec.drivers[1].nodeID: Required value',
    'spec.drivers[1].name: Duplicate value: "a.example.com"',
  ])
  expect(faultsOf(csiNodes, { spec: { drivers: [{ ...driver, topologyKeys: ['a', 'a'] }] } })).toEqual([
    'spec.drivers[0]: Duplicate value: "a"',
  ])
  const of = (fields: object) => ({ spec: { drivers: [{ ...driver, ...fields }] } })
  expect(changeFaults(csiNodes, of({}), of({ allocatable: { count: 3 } }))).toEqual([])
  expect(changeFaults(csiNodes, of({}), of({ nodeID: 'm' }))).toEqual([
    'spec.drivers: Invalid value: {"Name":"a.example.com","NodeID":"m","TopologyKeys":null,"Allocatable":null}: field is immutable',
  ])
})

test('a CSIStorageCapacity has a class and no less than nothing', () => {
  expect(faultsOf(csiStorageCapacities, { storageClassName: 'fast', capacity: '1Gi' })).toEqual([])
  expect(faultsOf(csiStorageCapacities, { storageClassName: 'fast', capacity: '-1' })).toEqual([
    'capacity: Invalid value: "-1": must be greater than or equal to 0',
  ])
  expect(changeFaults(csiStorageCapacities, { storageClassName: 'fast' }, { storageClassName: 'slow' })).toEqual([
    'storageClassName: Invalid value: "slow": field is immutable',
  ])
})

test('a VolumeAttachment says what goes where, once', () => {
  const spec = { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'v' } }
  expect(faultsOf(volumeAttachments, { spec })).toEqual([])
  expect(faultsOf(volumeAttachments, { spec: { source: {} } })).toEqual([
    'spec.attacher: Required value',
    'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
    expect.stringMatching(/^spec.nodeName: Invalid value: "": a lowercase RFC 1123 subdomain/),
  ])
  expect(statusFaults(volumeAttachments, { spec }, { attachError: { message: 'x'.repeat(1025), errorCode: -1 } })).toEqual([
    'status.attachError.message: Too long: may not be more than 262144 bytes',
    'status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive',
  ])
  expect(changeFaults(volumeAttachments, { spec }, { spec: { ...spec, nodeName: 'm' } })).toEqual([
    expect.stringMatching(/^spec: Invalid value: .*: field is immutable$/),
  ])
})

test('a VolumeAttributesClass has a driver and parameters that stay', () => {
  expect(faultsOf(volumeAttributesClasses, {})).toEqual([
    'driverName: Required value',
    'parameters: Required value: must contain at least one key/value pair',
  ])
  const one = { driverName: 'a.example.com', parameters: { iops: '1' } }
  expect(changeFaults(volumeAttributesClasses, one, { ...one, parameters: { iops: '2' } })).toEqual([
    'parameters: Forbidden: updates to parameters are forbidden.',
  ])
})
