import { duplicate, type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { CSINode } from '../generated/types.ts'
import { driverNameFaults } from './csi-driver.ts'

const maxNodeIdLength = 256

function* nodeFaults({ spec }: CSINode): Faults {
  const seen = new Set<string>()
  for (const [index, driver] of (spec.drivers ?? []).entries()) {
    const path = `spec.drivers[${index}]`
    yield* driverNameFaults(`${path}.name`, driver.name ?? '')
    if (!driver.nodeID) yield required(`${path}.nodeID`)
    else if (driver.nodeID.length > maxNodeIdLength) {
      yield invalidValue(`${path}.nodeID`, driver.nodeID, `must be ${maxNodeIdLength} characters or less`)
    }
    if (driver.allocatable?.count !== undefined && driver.allocatable.count < 0) {
      yield invalidValue(`${path}.allocatable.count`, driver.allocatable.count, 'must be greater than or equal to 0')
    }
    const keys = new Set<string>()
    for (const key of driver.topologyKeys ?? []) {
      if (keys.has(key)) yield duplicate(`${path}.topologyKeys`, key)
      keys.add(key)
      yield* qualifiedNameFaults(`${path}.topologyKeys`, key)
    }
    if (seen.has(driver.name)) yield duplicate(`${path}.name`, driver.name)
    seen.add(driver.name)
  }
}

export const csiNodes = defineKind<CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  namespaced: false,
  columns: [nameColumn, column('Drivers', 'integer', 'CSI drivers of the node.', ({ spec }) => spec?.drivers?.length ?? 0), ageColumn],
  setDefaults: (node) => {
    node.spec ??= { drivers: [] }
  },
  validate: (node): FieldError[] => [...nodeFaults(node)],
})
