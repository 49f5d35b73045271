import { describe, expect, test } from 'vitest'
import type { Ingress, PersistentVolumeClaim, Pod } from '../../api/generated/types.ts'
import { claimResize } from './claim-resize.ts'
import { defaultIngressClass, defaultStorageClass } from './default-class.ts'
import { runtimeClass } from './runtime-class.ts'
import { factsOf, refusalOf, requestOf } from './testing/fake-facts.ts'

const classOf = (kind: string, name: string, made: string, annotation?: string) => ({
  kind,
  metadata: { name, creationTimestamp: made, ...(annotation ? { annotations: { [annotation]: 'true' } } : {}) },
})
const claim = (spec: object, status: object = {}, metadata: object = {}) => ({
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data', ...metadata },
  spec,
  status,
})

describe('a storage class', () => {
  const isDefault = 'storageclass.kubernetes.io/is-default-class'
  const old = classOf('StorageClass', 'old', '2020-01-01T00:00:00Z', isDefault)
  const young = classOf('StorageClass', 'young', '2021-01-01T00:00:00Z', isDefault)
  const plain = classOf('StorageClass', 'plain', '2022-01-01T00:00:00Z')
  test.each([
    { name: 'the newest default', object: claim({}), classes: [old, young, plain], gets: 'young' },
    { name: 'none', object: claim({}), classes: [plain], gets: undefined },
    { name: 'what it names', object: claim({ storageClassName: 'plain' }), classes: [old], gets: 'plain' },
    { name: 'no class, on purpose', object: claim({ storageClassName: '' }), classes: [old], gets: '' },
    {
      name: 'what its old annotation names',
      object: claim({}, {}, { annotations: { 'volume.beta.kubernetes.io/storage-class': 'plain' } }),
      classes: [old],
      gets: undefined,
    },
  ])('a claim gets $name', ({ object, classes, gets }) => {
    const request = requestOf(object)
    defaultStorageClass.admit?.(request, factsOf(...classes))
    expect((request.object as PersistentVolumeClaim).spec.storageClassName).toBe(gets)
  })
})

test.each([
  { name: 'the default', metadata: {}, spec: {}, gets: 'front' },
  { name: 'what it names', metadata: {}, spec: { ingressClassName: 'other' }, gets: 'other' },
  { name: 'what its old annotation names', metadata: { annotations: { 'kubernetes.io/ingress.class': 'x' } }, spec: {}, gets: undefined },
])('an ingress gets $name', ({ metadata, spec, gets }) => {
  const request = requestOf({ kind: 'Ingress', metadata: { name: 'i', ...metadata }, spec })
  const front = classOf('IngressClass', 'front', '2020-01-01T00:00:00Z', 'ingressclass.kubernetes.io/is-default-class')
  defaultIngressClass.admit?.(request, factsOf(front))
  expect((request.object as Ingress).spec?.ingressClassName).toBe(gets)
})

describe('a runtime class', () => {
  const podOf = (spec: object) => ({ kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [], ...spec } })
  const toleration = { key: 'vm', operator: 'Exists' }
  const vm = {
    kind: 'RuntimeClass',
    metadata: { name: 'vm' },
    handler: 'vm',
    overhead: { podFixed: { cpu: '100m' } },
    scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [toleration] },
  }

  test('gives its pods what it costs and where it runs', () => {
    const request = requestOf(podOf({ runtimeClassName: 'vm', nodeSelector: { disk: 'ssd' }, tolerations: [toleration] }))
    runtimeClass.admit?.(request, factsOf(vm))
    expect((request.object as Pod).spec).toMatchObject({
      overhead: { cpu: '100m' },
      nodeSelector: { disk: 'ssd', vm: 'yes' },
      tolerations: [toleration],
    })
    expect(refusalOf(() => runtimeClass.validate?.(request, factsOf(vm)))).toBeUndefined()
  })

  test.each([
    { spec: { runtimeClassName: 'none' }, why: 'pod rejected: RuntimeClass "none" not found' },
    {
      spec: { runtimeClassName: 'vm', overhead: { cpu: '1' } },
      why: "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    },
    { spec: { overhead: { cpu: '1' } }, why: 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead' },
    {
      spec: { runtimeClassName: 'vm', nodeSelector: { vm: 'no' } },
      why: 'conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no',
    },
  ])('$why', ({ spec, why }) => {
    const request = requestOf(podOf(spec))
    const both = (): void => {
      runtimeClass.admit?.(request, factsOf(vm))
      runtimeClass.validate?.(request, factsOf(vm))
    }
    expect(refusalOf(both)).toBe(`pods "web" is forbidden: ${why}`)
  })
})

describe('a claim grows', () => {
  const sized = (storage: string, phase: string, storageClassName = 'grows') =>
    claim({ storageClassName, resources: { requests: { storage } } }, { phase })
  const grows = { ...classOf('StorageClass', 'grows', '2020-01-01T00:00:00Z'), allowVolumeExpansion: true }
  const stays = classOf('StorageClass', 'stays', '2020-01-01T00:00:00Z')
  const unable = 'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize'
  test.each([
    { next: sized('2Gi', 'Bound'), previous: sized('1Gi', 'Bound'), why: undefined },
    { next: sized('1Gi', 'Pending'), previous: sized('1Gi', 'Pending'), why: undefined },
    { next: sized('2Gi', 'Pending'), previous: sized('1Gi', 'Pending'), why: 'Only bound persistent volume claims can be expanded' },
    { next: sized('2Gi', 'Bound', 'stays'), previous: sized('1Gi', 'Bound', 'stays'), why: unable },
    { next: sized('2Gi', 'Bound', ''), previous: sized('1Gi', 'Bound', ''), why: unable },
  ])('$next.spec, $next.status: $why', ({ next, previous, why }) => {
    expect(refusalOf(() => claimResize.validate?.(requestOf(next, previous), factsOf(grows, stays)))).toBe(
      why && `persistentvolumeclaims "data" is forbidden: ${why}`,
    )
  })
})
