import { defineKind } from '../define-kind.ts'
import type { Node } from '../generated/types.ts'
import { nodeColumns } from './node-columns.ts'
import { nodeWarnings, validateNode, validateNodeStatus, validateNodeUpdate } from './node-validation.ts'

export const nodes = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
  shortNames: ['no'],
  hasStatus: true,
  subresources: [
    { name: 'proxy', kind: 'NodeProxyOptions', group: '', version: 'v1', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
  ],
  columns: nodeColumns,
  selectableFields: { 'spec.unschedulable': (node) => String(node.spec.unschedulable ?? false) },
  setDefaults: (node) => {
    node.spec ??= {}
    if (node.status?.capacity) node.status.allocatable ??= { ...node.status.capacity }
  },
  // A kubelet makes its node whole, status and all.
  prepareForCreate: () => undefined,
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  validateStatusUpdate: validateNodeStatus,
  warnings: nodeWarnings,
})
