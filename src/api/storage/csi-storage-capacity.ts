import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults, labelSelectorFaults } from '../field-checks.ts'
import type { CSIStorageCapacity } from '../generated/types.ts'
import { nodeSelectorWarnings } from '../node-label-deprecations.ts'
import { isNegativeQuantity } from '../quantity-checks.ts'

function* capacityFaults({ storageClassName, nodeTopology, capacity }: CSIStorageCapacity): Faults {
  yield* labelSelectorFaults('nodeTopology', nodeTopology)
  yield* dnsSubdomainFaults('storageClassName', storageClassName ?? '')
  if (capacity !== undefined && isNegativeQuantity(capacity)) yield invalidValue('capacity', capacity, 'must be greater than or equal to 0')
}

export const csiStorageCapacities = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  namespaced: true,
  columns: [
    nameColumn,
    column('StorageClassName', 'string', 'The class whose room it is.', ({ storageClassName }) => storageClassName ?? ''),
    column('Capacity', 'string', 'How much room there is.', ({ capacity }) => capacity ?? '<unset>'),
  ],
  validate: (one): FieldError[] => [...capacityFaults(one)],
  warnings: ({ nodeTopology }) => [...nodeSelectorWarnings('nodeTopology', nodeTopology)],
  validateUpdate: (one, previous) => [
    ...immutableFaults('nodeTopology', one.nodeTopology, previous.nodeTopology),
    ...immutableFaults('storageClassName', one.storageClassName, previous.storageClassName),
  ],
})
