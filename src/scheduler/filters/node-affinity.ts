import type { Filter } from '../filter.ts'
import { matchesNodeAffinity } from '../node-selector.ts'

export const nodeAffinityFilter: Filter = {
  name: 'NodeAffinity',
  helpedBy: ['node'],
  prepare:
    (pod) =>
    ({ node }) =>
      matchesNodeAffinity(pod, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"],
}
