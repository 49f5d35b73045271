import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, required, tooLong } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type { VolumeAttachment, VolumeAttachmentSpec, VolumeAttachmentStatus } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { driverNameFaults } from './csi-driver.ts'

const onlyOne = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'
const maxMetadataBytes = 256 * 1024
const maxMessageBytes = 1024

function* attachmentFaults({ spec, status = {} as VolumeAttachmentStatus }: VolumeAttachment): Faults {
  yield* driverNameFaults('spec.attacher', spec.attacher ?? '')
  const { persistentVolumeName: name, inlineVolumeSpec } = spec.source ?? {}
  if (inlineVolumeSpec && name !== undefined) yield forbiddenField('spec.source', onlyOne)
  else if (!inlineVolumeSpec && name === undefined) yield required('spec.source', onlyOne)
  else if (name === '') yield required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName')
  yield* dnsSubdomainFaults('spec.nodeName', spec.nodeName ?? '')
  yield* statusFaults(status)
  if (name !== undefined) yield* dnsSubdomainFaults('spec.source.persistentVolumeName', name)
}

function* statusFaults({ attachmentMetadata = {}, attachError, detachError }: VolumeAttachmentStatus): Faults {
  const bytes = Buffer.byteLength(Object.entries(attachmentMetadata).flat().join(''))
  if (bytes > maxMetadataBytes) yield tooLong('status.attachmentMetadata', maxMetadataBytes)
  for (const [field, error] of Object.entries({ attachError, detachError })) {
    // Sic: upstream tells the other limit.
    if (Buffer.byteLength(error?.message ?? '') > maxMessageBytes) yield tooLong(`status.${field}.message`, maxMetadataBytes)
    if ((error?.errorCode ?? 0) >= 0) continue
    yield invalidValue(`status.${field}.errorCode`, error?.errorCode, `must be between 0 and ${2 ** 31 - 1}, inclusive`)
  }
}

export const volumeAttachments = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  namespaced: false,
  hasStatus: true,
  statusKeeps: allMetadata,
  newStatus: { attached: false },
  columns: [
    nameColumn,
    column('Attacher', 'string', 'The driver that attaches.', ({ spec }) => spec.attacher ?? ''),
    column('PV', 'string', 'The volume.', ({ spec }) => spec.source?.persistentVolumeName ?? ''),
    column('Node', 'string', 'Where it is attached.', ({ spec }) => spec.nodeName ?? ''),
    column('Attached', 'boolean', 'Whether it is.', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
  setDefaults: (attachment) => {
    attachment.spec ??= {} as VolumeAttachmentSpec
  },
  validate: (attachment): FieldError[] => [...attachmentFaults(attachment)],
  validateStatusUpdate: (attachment): FieldError[] => [...attachmentFaults(attachment)],
  validateUpdate: ({ spec }, previous): FieldError[] =>
    deepEqual(spec, previous.spec) ? [] : [invalidValue('spec', spec, 'field is immutable')],
})
