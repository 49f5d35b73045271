import { addQuantities, compareQuantities, parseQuantity, type Quantity } from '../../machinery/quantity.ts'
import type { Pod } from '../generated/types.ts'
import { isSidecar } from './pod-facts.ts'

/** Exact amounts by resource name. pod-requests.ts has the same in numbers, for the scheduler's speed. */
export type PodAmounts = ReadonlyMap<string, Quantity>

type Part = 'requests' | 'limits'
type List = Readonly<Record<string, string>> | undefined

function amountsOf(list: List): Map<string, Quantity> {
  return new Map(Object.entries(list ?? {}).map(([resource, amount]) => [resource, parseQuantity(amount)]))
}

function plus(a: PodAmounts, b: PodAmounts): Map<string, Quantity> {
  const sum = new Map(a)
  for (const [resource, amount] of b) {
    const before = sum.get(resource)
    sum.set(resource, before ? addQuantities(before, amount) : amount)
  }
  return sum
}

function most(a: PodAmounts, b: PodAmounts): Map<string, Quantity> {
  const larger = new Map(a)
  for (const [resource, amount] of b) {
    const before = larger.get(resource)
    if (!before || compareQuantities(amount, before) > 0) larger.set(resource, amount)
  }
  return larger
}

/** Containers and sidecars together, or the largest moment of the start; pod-level amounts stand for both. */
function amountsOfPod({ spec }: Pod, part: Part): Map<string, Quantity> {
  let sidecars = new Map<string, Quantity>()
  let start = new Map<string, Quantity>()
  for (const container of spec.initContainers ?? []) {
    const own = plus(sidecars, amountsOf(container.resources?.[part]))
    start = most(start, own)
    if (isSidecar(container)) sidecars = own
  }
  const running = spec.containers.reduce((sum, { resources }) => plus(sum, amountsOf(resources?.[part])), sidecars)
  return new Map([...most(running, start), ...amountsOf(spec.resources?.[part])])
}

/** With what the pod's RuntimeClass costs. `onlyKnown`: what the containers don't name stays without limit. */
export function withOverhead(amounts: PodAmounts, { spec }: Pod, onlyKnown: boolean): Map<string, Quantity> {
  const overhead = [...amountsOf(spec.overhead)].filter(([resource]) => !onlyKnown || amounts.has(resource))
  return plus(amounts, new Map(overhead))
}

/** What the pod's containers ask for. */
export const podRequirements = (pod: Pod): Map<string, Quantity> => amountsOfPod(pod, 'requests')
/** What the pod's containers may use at most. */
export const podLimits = (pod: Pod): Map<string, Quantity> => amountsOfPod(pod, 'limits')
