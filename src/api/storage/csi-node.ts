import { duplicate, type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { CSINode, CSINodeDriver } from '../generated/types.ts'
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
    if (seen.has(driver.name)) yield duplicate(`${path}.name`, driver.name)
    seen.add(driver.name)
    for (const key of driver.topologyKeys ?? []) {
      if (!key) yield required(path)
      if (keys.has(key)) yield duplicate(path, key)
      keys.add(key)
      yield* qualifiedNameFaults(path, key)
    }
  }
}

/** As upstream shows a driver, without the count that may change. */
const fixedAsGo = ({ name, nodeID, topologyKeys }: CSINodeDriver): object => ({
  Name: name,
  NodeID: nodeID,
  TopologyKeys: topologyKeys ?? null,
  Allocatable: null,
})

/** What a driver says of the node stays; drivers come and go. */
function* changeFaults({ spec }: CSINode, previous: CSINode): Faults {
  for (const before of previous.spec.drivers ?? []) {
    for (const now of spec.drivers ?? []) {
      if (now.name === before.name) yield* immutableFaults('spec.drivers', fixedAsGo(now), fixedAsGo(before))
    }
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
  validateUpdate: (node, previous): FieldError[] => [...changeFaults(node, previous)],
})
