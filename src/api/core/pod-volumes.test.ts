import { describe, expect, test } from 'vitest'
import type { Volume, VolumeProjection } from '../generated/types.ts'
import { podFaults } from '../testing/pod-cases.ts'

const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }

/** Faults of one volume, told without `spec.volumes[0]`. */
const faultsOf = (source: Partial<Volume>): string[] =>
  podFaults({ volumes: [{ name: 'v', ...source }] }).map((fault) => fault.replace(/^spec\.volumes\[0\]\.?/, ''))

const host = 'must be a host:port pair or multiple pairs separated by commas'

describe('a volume', () => {
  test.each<[string, Partial<Volume>, string[]?]>([
    ['of nothing is an empty folder', {}],
    [
      'of less than nothing',
      { emptyDir: { sizeLimit: '-1' } },
      ['emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity'],
    ],
    [
      'of a path of another type',
      { hostPath: { path: '/x', type: 'Pipe' } },
      [
        'hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
      ],
    ],
    [
      'of an unnamed Secret',
      { secret: { defaultMode: 0o1000, items: [{ key: '', path: '/abs' }] } },
      [
        'secret.secretName: Required value',
        'secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
        'secret.items[0].key: Required value',
        'secret.items[0].path: Invalid value: "/abs": must be a relative path',
      ],
    ],
    [
      'of files of a user beyond the last',
      { configMap: { name: 'c', defaultUser: 2 ** 31 } },
      ['configMap.defaultUser: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive'],
    ],
    ['of a share', { nfs: { server: 's', path: 'relative' } }, ['nfs.path: Invalid value: "relative": must be an absolute path']],
    [
      'of a share that is none',
      { nfs: { server: '', path: '' } },
      ['nfs.server: Required value', 'nfs.path: Required value', 'nfs.path: Invalid value: "": must be an absolute path'],
    ],
    [
      'of a target',
      { iscsi: { targetPortal: 'p', iqn: 'iqn.2026-01.io.acme:disk', lun: 256, chapAuthSession: true } },
      ['iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive', 'iscsi.secretRef: Required value'],
    ],
    [
      'of a target of no such name',
      { iscsi: { targetPortal: 'p', iqn: 'disk', lun: 0, initiatorName: 'eui.1' } },
      [
        'iscsi.iqn: Invalid value: "disk": must be valid format starting with iqn, eui, or naa',
        'iscsi.initiatorname: Invalid value: "eui.1": must be valid format',
      ],
    ],
    [
      'of a cloud’s disk',
      { gcePersistentDisk: { pdName: '', partition: 256 } },
      ['persistentDisk.pdName: Required value', 'persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive'],
    ],
    [
      'of a fibre',
      { fc: { targetWWNs: ['a'], wwids: ['b'] } },
      [
        'fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
        'fc.lun: Required value: lun is required if targetWWNs is specified',
      ],
    ],
    [
      'of a registry',
      { quobyte: { registry: 'a:1,b', volume: '' } },
      [`quobyte.registry: Invalid value: "a:1,b": ${host}`, 'quobyte.volume: Required value'],
    ],
    [
      'of a plug-in, with options of Kubernetes',
      { flexVolume: { driver: 'd', options: { 'a.k8s.io/x': '1' } } },
      ['flexVolume.options[a.k8s.io/x]: Invalid value: "a.k8s.io/x": kubernetes.io and k8s.io namespaces are reserved'],
    ],
    [
      'of a managed disk',
      { azureDisk: { diskName: 'd', diskURI: 'https://x', kind: 'Managed' } },
      [
        'azureDisk.diskURI: Unsupported value: "https://x": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
      ],
    ],
    [
      'of a driver',
      { csi: { driver: 'D'.repeat(64), nodePublishSecretRef: {} } },
      ['csi.driver: Too long: may not be more than 63 bytes', 'csi.nodePublishSecretRef.name: Required value'],
    ],
    [
      'of an unnamed image',
      { image: { pullPolicy: 'Often' } },
      [
        'image.reference: Required value',
        'image.pullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"',
      ],
    ],
    ['of a claim of its own', { ephemeral: { volumeClaimTemplate: { spec: claim } } }],
    [
      'of a claim of its own, with a name',
      { ephemeral: { volumeClaimTemplate: { metadata: { name: 'x' }, spec: {} } } },
      [
        'ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set',
        'ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required',
        'ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value',
      ],
    ],
    [
      'of the pod’s fields',
      { downwardAPI: { items: [{ path: 'a' }, { path: '..b', fieldRef: { fieldPath: 'spec.nodeName' } }] } },
      [
        'downwardAPI: Required value: one of fieldRef and resourceFieldRef is required',
        'downwardAPI.path: Invalid value: "..b": must not start with \'..\'',
        'downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
      ],
    ],
  ])('%s', (_, source, faults = []) => expect(faultsOf(source)).toEqual(faults))

  test.each<[string, VolumeProjection[], string[]?]>([
    [
      'two sources in one',
      [{ secret: { name: 's' }, configMap: { name: 'c' } }],
      ['projected.sources[0]: Forbidden: may not specify more than 1 volume type per source'],
    ],
    [
      'one file twice',
      [{ secret: { name: 's', items: [{ key: 'k', path: 'f' }] } }, { configMap: { name: 'c', items: [{ key: 'k', path: 'f' }] } }],
      ['projected: Invalid value: "c": conflicting duplicate paths'],
    ],
    [
      'a bundle of everyone',
      [{ clusterTrustBundle: { path: 'ca.pem' } }],
      ['projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified'],
    ],
    [
      'a bundle by name and label',
      [{ clusterTrustBundle: { name: 'b', labelSelector: {}, path: 'ca.pem' } }],
      ['projected.sources[0].clusterTrustBundle.labelSelector: Invalid value: {}: labelSelector must be unset if name is specified'],
    ],
    [
      'a certificate for ever, into nothing',
      [{ podCertificate: { signerName: 'acme.io/s', keyType: 'DSA', maxExpirationSeconds: 8_000_000 } }],
      [
        'projected.sources[0].podCertificate.keyType: Unsupported value: "DSA": supported values: "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"',
        'projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 8000000: if provided, maxExpirationSeconds must be <= 7862400',
        'projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath',
      ],
    ],
  ])('of several sources: %s', (_, sources, faults = []) => expect(faultsOf({ projected: { sources } })).toEqual(faults))

  test('of several sources: a token of a minute, for an account', () => {
    const volumes = [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: '', expirationSeconds: 60 } }] } }]
    expect(podFaults({ volumes, serviceAccountName: 'a' })).toEqual([
      'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
      'spec.volumes[0].projected.path: Required value',
    ])
  })

  test('takes the first of its sources for what it is', () => {
    expect(faultsOf({ configMap: { name: '' }, emptyDir: {} })).toEqual(['configMap: Forbidden: may not specify more than 1 volume type'])
  })

  test('refers to no claim that is made for the pod itself', () => {
    const volumes = [
      { name: 'a', ephemeral: { volumeClaimTemplate: { spec: claim } } },
      { name: 'b', persistentVolumeClaim: { claimName: 'one-a' } },
    ]
    expect(podFaults({ volumes })).toEqual([
      'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "one-a": must not reference a PVC that gets created for an ephemeral volume',
    ])
    expect(podFaults({ volumes: volumes.slice(0, 1) }, { name: 'x'.repeat(252) })).toEqual([
      `spec.volumes[0].name: Invalid value: "a": PVC name "${'x'.repeat(252)}-a": must be no more than 253 characters`,
    ])
  })
})
