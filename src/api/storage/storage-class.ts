import { type FieldError, forbiddenField, notSupported, required } from '../../machinery/field-error.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { StorageClass } from '../generated/types.ts'

const defaultAnnotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class']
const reclaimPolicies = ['Delete', 'Retain']
const bindingModes = ['Immediate', 'WaitForFirstConsumer']

const isDefault = ({ annotations }: ObjectMeta): boolean => defaultAnnotations.some((name) => annotations?.[name] === 'true')

function* storageClassFaults({ provisioner, parameters, reclaimPolicy, volumeBindingMode }: StorageClass): Faults {
  if (!provisioner) yield required('provisioner')
  else yield* qualifiedNameFaults('provisioner', provisioner.toLowerCase())
  for (const name of Object.keys(parameters ?? {})) if (!name) yield required('parameters')
  if (reclaimPolicy && !reclaimPolicies.includes(reclaimPolicy)) yield notSupported('reclaimPolicy', reclaimPolicy, reclaimPolicies)
  if (volumeBindingMode === undefined) yield required('volumeBindingMode')
  else if (!bindingModes.includes(volumeBindingMode)) yield notSupported('volumeBindingMode', volumeBindingMode, bindingModes)
}

const changed = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? {}) !== JSON.stringify(b ?? {})

function* updateFaults(next: StorageClass, previous: StorageClass): Faults {
  if (changed(next.parameters, previous.parameters)) yield forbiddenField('parameters', 'updates to parameters are forbidden.')
  if (next.provisioner !== previous.provisioner) yield forbiddenField('provisioner', 'updates to provisioner are forbidden.')
  if (next.reclaimPolicy !== previous.reclaimPolicy) yield forbiddenField('reclaimPolicy', 'updates to reclaimPolicy are forbidden.')
  yield* immutableFaults('volumeBindingMode', next.volumeBindingMode, previous.volumeBindingMode)
}

export const storageClasses = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  namespaced: false,
  shortNames: ['sc'],
  columns: [
    { ...nameColumn, value: ({ metadata }) => (isDefault(metadata) ? `${metadata.name} (default)` : metadata.name) },
    column('Provisioner', 'string', 'Who makes its volumes.', ({ provisioner }) => provisioner ?? ''),
    column('ReclaimPolicy', 'string', 'What becomes of a volume whose claim has gone.', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', 'string', 'When volumes are made.', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
    column('AllowVolumeExpansion', 'string', 'Whether volumes may grow.', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
    ageColumn,
  ],
  setDefaults: (one) => {
    one.reclaimPolicy ??= 'Delete'
    one.volumeBindingMode ??= 'Immediate'
  },
  validate: (one): FieldError[] => [...storageClassFaults(one)],
  validateUpdate: (one, previous): FieldError[] => [...updateFaults(one, previous)],
})
