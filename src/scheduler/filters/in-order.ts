import type { Filter } from '../filter.ts'
import { nodeAffinityFilter } from './node-affinity.ts'
import { nodeNameFilter } from './node-name.ts'
import { nodePortsFilter } from './node-ports.ts'
import { nodeUnschedulableFilter } from './node-unschedulable.ts'
import { podAffinityFilter } from './pod-affinity.ts'
import { resourcesFilter } from './resources.ts'
import { taintsFilter } from './taints.ts'
import { topologySpreadFilter } from './topology-spread.ts'

/** In this order, and the first that refuses a node explains it: cheap ones and those that say most about a node come first. */
export const filters: readonly Filter[] = [
  nodeUnschedulableFilter,
  nodeNameFilter,
  taintsFilter,
  nodeAffinityFilter,
  nodePortsFilter,
  resourcesFilter,
  topologySpreadFilter,
  podAffinityFilter,
]
