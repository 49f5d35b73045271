import type { Container, Pod } from '../api/generated/types.ts'
import { amountOf } from './amount.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const counted = ['cpu', 'memory'] as const

function amounts(list: Record<string, string> | undefined): Map<string, number> {
  return new Map(Object.entries(list ?? {}).flatMap(([name, text]) => (amountOf(text) > 0 ? [[name, amountOf(text)]] : [])))
}

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ */
export function qosClassOf(pod: Pod): QosClass {
  const containers: Container[] = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  let any = false
  let guaranteed = true
  for (const { resources } of containers) {
    const limits = amounts(resources?.limits)
    const requests = amounts(resources?.requests)
    for (const name of counted) {
      const limit = limits.get(name)
      const request = requests.get(name) ?? limit
      if (limit !== undefined || request !== undefined) any = true
      if (limit === undefined || request !== limit) guaranteed = false
    }
  }
  if (!any) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}
