import type { Filter } from '../filter.ts'

/** A pod that names its node goes there or nowhere. */
export const nodeNameFilter: Filter = {
  name: 'NodeName',
  helpedBy: ['node'],
  prepare: (pod) => (node) =>
    !pod.spec.nodeName || pod.spec.nodeName === node.name ? [] : ["node(s) didn't match the requested node name"],
}
