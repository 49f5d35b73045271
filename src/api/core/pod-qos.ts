import { addQuantities, compareQuantities } from '../../machinery/quantity.ts'
import type { Pod, ResourceRequirements } from '../generated/types.ts'
import { isPositiveQuantity } from '../quantity-checks.ts'

/** Only these two decide who is evicted first. */
const counted = ['cpu', 'memory'] as const

type Amounts = Map<string, string[]>

function collect(into: Amounts, list: Readonly<Record<string, string>> | undefined): number {
  const names = counted.filter((name) => isPositiveQuantity(list?.[name]))
  for (const name of names) into.set(name, [...(into.get(name) ?? []), list?.[name] ?? '0'])
  return names.length
}

const total = (amounts: readonly string[] = []) => amounts.reduce((sum, amount) => addQuantities(sum, amount), addQuantities('0', '0'))

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ */
export function qosClass({ spec }: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const requests: Amounts = new Map()
  const limits: Amounts = new Map()
  const podLevel = spec.resources && (spec.resources.requests || spec.resources.limits) ? [spec.resources] : undefined
  const all: readonly (ResourceRequirements | undefined)[] =
    podLevel ?? [...spec.containers, ...(spec.initContainers ?? [])].map((container) => container.resources)
  let allLimited = true
  for (const resources of all) {
    collect(requests, resources?.requests)
    if (collect(limits, resources?.limits) < counted.length) allLimited = false
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort'
  if (!allLimited || requests.size !== limits.size) return 'Burstable'
  const isEqual = [...requests].every(([name, amounts]) => compareQuantities(total(amounts), total(limits.get(name))) === 0)
  return isEqual ? 'Guaranteed' : 'Burstable'
}
