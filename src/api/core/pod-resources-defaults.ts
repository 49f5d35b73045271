import { formatQuantity } from '../../machinery/quantity.ts'
import type { PodSpec } from '../generated/types.ts'
import { containersTogether } from './container-amounts.ts'
import { isSidecar } from './pod-facts.ts'
import { isHugePages, mayOvercommit } from './resource-names.ts'

type List = Record<string, string>

const isForPods = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name)
const isEmpty = (list: List | undefined): boolean => Object.keys(list ?? {}).length === 0

/** What the containers have together of resources that a pod can have, where `wanted`. */
function together(spec: PodSpec, list: 'limits' | 'requests', wanted: (name: string) => boolean): List {
  const amounts = Object.entries(containersTogether(spec, ({ resources }) => resources?.[list]))
  return Object.fromEntries(
    amounts.filter(([name]) => isForPods(name) && wanted(name)).map(([name, amount]) => [name, formatQuantity(amount)]),
  )
}

function allHaveLimit({ containers, initContainers = [] }: PodSpec, name: string): boolean {
  return [...containers, ...initContainers.filter(isSidecar)].every(({ resources }) => resources?.limits?.[name] !== undefined)
}

/**
 * A pod that says something of its resources as a whole gets the rest from its containers, and requests from its limits.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/2837-pod-level-resource-spec
 */
export function setPodResourcesDefaults(spec: PodSpec): void {
  const { resources } = spec
  if (!resources || (isEmpty(resources.limits) && isEmpty(resources.requests))) return
  const hasLimits = !isEmpty(resources.limits)
  const pages = together(spec, 'limits', (name) => isHugePages(name) && resources.requests?.[name] === undefined)
  const limits = { ...pages, ...resources.limits }
  if (!isEmpty(limits)) {
    resources.limits = limits
    const own = Object.fromEntries(Object.entries(limits).filter(([name]) => isForPods(name)))
    resources.requests = { ...own, ...together(spec, 'requests', mayOvercommit), ...resources.requests }
  }
  if (hasLimits || !isEmpty(limits)) return
  const shared = together(spec, 'limits', (name) => mayOvercommit(name) && allHaveLimit(spec, name))
  if (!isEmpty(shared)) resources.limits = shared
}
