import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf } from '../testing/kind-cases.ts'
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
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(storageClasses, fields)).toEqual(faults)
  })

  test('stays what its volumes were made by', () => {
    expect(changeFaults(storageClasses, storageClass({}), storageClass({ allowVolumeExpansion: true }))).toEqual([])
    expect(
      changeFaults(storageClasses, storageClass({}), storageClass({ provisioner: 'example.com/other', parameters: { a: 'b' } })),
    ).toEqual([
      'parameters: Forbidden: updates to parameters are forbidden.',
      'provisioner: Forbidden: updates to provisioner are forbidden.',
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
    ['that is sound', { metadata: { name: 'Disk.example.com' } }, []],
    [
      'of an unknown mode',
      { spec: { volumeLifecycleModes: ['Never'] } },
      ['spec.volumeLifecycleModes: Unsupported value: "Never": supported values: "Ephemeral", "Persistent"'],
    ],
    [
      'that asks for two tokens of one kind',
      { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'a', expirationSeconds: 60 }] } },
      [
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
        'spec.tokenRequests[1].expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
      ],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(csiDrivers, fields)).toEqual(faults)
  })

  test('attaches as it did before', () => {
    expect(changeFaults(csiDrivers, {}, { spec: { attachRequired: false } })).toEqual([
      'spec.attachRequired: Invalid value: false: field is immutable',
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
    'spec.nodeName: Required value',
    'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
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
