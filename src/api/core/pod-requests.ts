import { quantityMilliValue, quantityValue } from '../../machinery/quantity.ts'
import type { Container, Pod } from '../generated/types.ts'
import { isSidecar } from './pod-facts.ts'

/** Amounts by resource name: cpu in millicores, all others in whole units (bytes, pieces). */
export type Amounts = ReadonlyMap<string, number>

export function amountsOf(list: Readonly<Record<string, string>> | undefined): Map<string, number> {
  const amounts = new Map<string, number>()
  for (const [name, quantity] of Object.entries(list ?? {}))
    amounts.set(name, name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity))
  return amounts
}

function plus(a: Amounts, b: Amounts): Map<string, number> {
  const sum = new Map(a)
  for (const [name, amount] of b) sum.set(name, (sum.get(name) ?? 0) + amount)
  return sum
}

function most(a: Amounts, b: Amounts): Map<string, number> {
  const larger = new Map(a)
  for (const [name, amount] of b) larger.set(name, Math.max(larger.get(name) ?? 0, amount))
  return larger
}

/**
 * What a container asks for; of one that is being resized the most of what it wants, is granted and has, and where the node can
 * never grant what it wants, what it has: https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
 */
function requestsOf(container: Container, { status }: Pod): Map<string, number> {
  const wanted = amountsOf(container.resources?.requests)
  const told = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find(({ name }) => name === container.name)
  if (!told?.allocatedResources) return wanted
  const had = most(amountsOf(told.allocatedResources), amountsOf(told.resources?.requests))
  const infeasible = status?.conditions?.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible')
  return infeasible ? had : most(wanted, had)
}

/** Objects of the API never change, so what a pod needs is worked out once: each decision asks it of every pod on a changed node. */
const knownRequests = new WeakMap<Pod, Amounts>()
const knownAssumed = new WeakMap<Pod, Amounts>()

function remembered(known: WeakMap<Pod, Amounts>, pod: Pod, workOut: () => Amounts): Amounts {
  const before = known.get(pod)
  if (before) return before
  const amounts = workOut()
  known.set(pod, amounts)
  return amounts
}

/**
 * What a pod needs of its node: its containers and sidecars together, or the largest moment of its start (an init
 * container runs beside the sidecars before it), whichever is more; pod-level requests stand for both; overhead on top.
 * https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
 */
export function podRequests(pod: Pod): Amounts {
  return remembered(knownRequests, pod, () => sumOf(pod, (container) => requestsOf(container, pod)))
}

/** As {@link podRequests}, with 100m and 200Mi for each container that names none: so that such pods spread as well. */
export function assumedRequests(pod: Pod): Amounts {
  return remembered(knownAssumed, pod, () =>
    sumOf(pod, (container) => {
      const amounts = requestsOf(container, pod)
      if (!amounts.has('cpu')) amounts.set('cpu', 100)
      if (!amounts.has('memory')) amounts.set('memory', 200 * 2 ** 20)
      return amounts
    }),
  )
}

function sumOf(pod: Pod, requests: (container: Container) => Amounts): Amounts {
  let sidecars = new Map<string, number>()
  let start = new Map<string, number>()
  for (const container of pod.spec.initContainers ?? []) {
    if (isSidecar(container)) {
      sidecars = plus(sidecars, requests(container))
      start = most(start, sidecars)
    } else start = most(start, plus(sidecars, requests(container)))
  }
  const running = pod.spec.containers.reduce((sum, container) => plus(sum, requests(container)), sidecars)
  const total = most(running, start)
  for (const [name, amount] of amountsOf(pod.spec.resources?.requests)) total.set(name, amount)
  return plus(total, amountsOf(pod.spec.overhead))
}
