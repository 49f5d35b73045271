import type { Container, Pod, PodCondition, PodSpec } from '../generated/types.ts'

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type)
}

export function isReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True'
}

/** Succeeded or Failed: it will never run again. */
export function isTerminated({ status }: Pick<Pod, 'status'>): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

/** An init container that runs beside the main ones: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/ */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/** All containers with their paths, in the order in which upstream visits them. `path` is the spec's. */
export function* eachContainer(path: string, spec: PodSpec): Iterable<[at: string, container: Container]> {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [index, container] of (spec[list] ?? []).entries()) yield [`${path}.${list}[${index}]`, container]
  }
}
