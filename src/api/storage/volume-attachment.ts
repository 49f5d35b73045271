import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type { VolumeAttachment, VolumeAttachmentSpec } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'

function* attachmentFaults({ spec }: VolumeAttachment): Faults {
  if (!spec.attacher) yield required('spec.attacher')
  if (!spec.nodeName) yield required('spec.nodeName')
  else yield* dnsSubdomainFaults('spec.nodeName', spec.nodeName)
  const { persistentVolumeName, inlineVolumeSpec } = spec.source ?? {}
  if (inlineVolumeSpec && persistentVolumeName !== undefined) {
    yield invalidValue('spec.source', spec.source, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')
  } else if (!inlineVolumeSpec && persistentVolumeName === undefined) {
    yield required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')
  } else if (persistentVolumeName === '') yield required('spec.source.persistentVolumeName')
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
  validateUpdate: ({ spec }, previous): FieldError[] =>
    deepEqual(spec, previous.spec) ? [] : [invalidValue('spec', spec, 'field is immutable')],
})
