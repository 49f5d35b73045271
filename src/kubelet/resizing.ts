import { isSidecar } from '../api/core/pod-facts.ts'
import { amountsOf } from '../api/core/pod-requests.ts'
import type { Container, Pod, PodCondition, ResourceRequirements } from '../api/generated/types.ts'
import { statusesOf } from './container-statuses.ts'

/**
 * What a pod may use, while it runs, goes three ways: the specification wants it, the node grants it as a whole (`allocated`), and each
 * container is given it (`given`). https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
 */
export interface Allotment {
  /** By container name. */
  readonly allocated: Map<string, ResourceRequirements>
  /** By container id. */
  readonly given: Map<string, ResourceRequirements>
  /** Why the node does not grant what the specification wants. */
  pending: ResizeRefusal | undefined
  /** Why a container could not be given what the node has granted. */
  failure: { message: string; retryAt: number } | undefined
  /** Containers, by id, that end only to begin anew with other resources. */
  readonly restarting: Set<string>
}

export interface ResizeRefusal {
  /** Deferred: there is no room now. Infeasible: this node can never have it. */
  readonly reason: 'Deferred' | 'Infeasible'
  readonly message: string
}

const none: ResourceRequirements = {}
const resizable = ['cpu', 'memory'] as const
type Resizable = (typeof resizable)[number]

/** What a kubelet that sees the pod for the first time can tell: containers that were started have what the status says. */
export function allotmentOf(pod: Pod): Allotment {
  const allocated = new Map<string, ResourceRequirements>()
  const given = new Map<string, ResourceRequirements>()
  for (const { name, resources } of containersOf(pod)) allocated.set(name, resources ?? none)
  for (const { name, containerID, resources } of statusesOf(pod)) {
    if (!containerID || !resources || !allocated.has(name)) continue
    allocated.set(name, resources)
    given.set(containerID.slice(containerID.indexOf('://') + 3), resources)
  }
  return { allocated, given, pending: undefined, failure: undefined, restarting: new Set() }
}

const containersOf = ({ spec }: Pod): readonly Container[] => [...(spec.initContainers ?? []), ...spec.containers]

/** Everything but cpu and memory is not looked at; `1` and `1000m` are the same. */
export function sameResources(a: ResourceRequirements = none, b: ResourceRequirements = none): boolean {
  return changedResources(a, b).length === 0
}

function changedResources(a: ResourceRequirements = none, b: ResourceRequirements = none): Resizable[] {
  if (a === b) return []
  const differ = (one: ResourceRequirements['limits'], other: ResourceRequirements['limits'], resource: Resizable): boolean =>
    amountsOf(one).get(resource) !== amountsOf(other).get(resource)
  return resizable.filter((resource) => differ(a.requests, b.requests, resource) || differ(a.limits, b.limits, resource))
}

/** True while the specification wants what is not granted yet. */
export function wantsOther(pod: Pod, { allocated }: Allotment): boolean {
  return containersOf(pod).some(({ name, resources }) => !sameResources(resources, allocated.get(name) ?? resources))
}

export function grant(pod: Pod, { allocated }: Allotment): void {
  for (const { name, resources } of containersOf(pod)) allocated.set(name, resources ?? none)
}

/** The pod as far as it is granted: the same object where that is what it wants. */
export function allottedPod(pod: Pod, allotment: Allotment): Pod {
  if (!wantsOther(pod, allotment)) return pod
  const withAllocated = (container: Container): Container => {
    const resources = allotment.allocated.get(container.name)
    return resources ? { ...container, resources } : container
  }
  const { initContainers, containers } = pod.spec
  const inits = initContainers ? { initContainers: initContainers.map(withAllocated) } : {}
  return { ...pod, spec: { ...pod.spec, ...inits, containers: containers.map(withAllocated) } }
}

/** How a running container comes to what it is granted; undefined if it has that. */
export function resizeOf(container: Container, containerId: string, { given }: Allotment): 'in-place' | 'restart' | undefined {
  const before = given.get(containerId)
  if (!before) return undefined
  const changed = changedResources(before, container.resources)
  if (changed.length === 0) return undefined
  const restarts = (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && (changed as string[]).includes(resourceName),
  )
  return restarts ? 'restart' : 'in-place'
}

/** `allotted` is the pod as far as it is granted, `running` the ids of its containers by name. */
export function isResizing(allotted: Pod, running: ReadonlyMap<string, string>, allotment: Allotment): boolean {
  return containersOf(allotted).some((container) => {
    const id = running.get(container.name)
    return id !== undefined && isResizable(allotted, container) && resizeOf(container, id, allotment) !== undefined
  })
}

/** Init containers that come and go keep what they began with. */
function isResizable({ spec }: Pod, container: Container): boolean {
  return isSidecar(container) || spec.containers.some(({ name }) => name === container.name)
}

export function resizeConditions(
  { pending, failure }: Allotment,
  resizing: boolean,
): Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>[] {
  return [
    ...(pending ? [{ type: 'PodResizePending', status: 'True', ...pending }] : []),
    ...(resizing
      ? [{ type: 'PodResizeInProgress', status: 'True', ...(failure ? { reason: 'Error', message: failure.message } : {}) }]
      : []),
  ]
}

/** What events tell of a resize. */
export function resizeText(what: string, pod: Pod, error?: string): string {
  const containers = containersOf(pod).map(({ name, resources = none }) => ({ name, resources }))
  return `Pod resize ${what}: ${JSON.stringify({ containers, generation: pod.metadata.generation, error })}`
}

/** Of a container that the runtime has no more. */
export function forgetGiven({ given, restarting }: Allotment, containerId: string): void {
  given.delete(containerId)
  restarting.delete(containerId)
}
