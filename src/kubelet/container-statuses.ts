import { isSidecar } from '../api/core/pod-facts.ts'
import type {
  ContainerStatus as ApiContainerStatus,
  Container,
  ContainerState,
  ContainerStateTerminated,
  Pod,
  ResourceRequirements,
} from '../api/generated/types.ts'
import type { ContainerStatus } from '../cri/runtime.ts'
import { timestamp } from '../host/clock.ts'
import { attemptsOf, type ObservedPod } from './observed-pod.ts'

/** What else decides a container's status. */
export interface ContainerFacts {
  /** As far as its resources are granted. */
  readonly pod: Pod
  readonly observed: ObservedPod
  readonly waiting: ReadonlyMap<string, { reason: string; message?: string }>
  /** Nothing will be started any more. */
  readonly ending: boolean
  readonly isStarted: (containerId: string) => boolean
  readonly isReady: (containerId: string) => boolean
  /** What the container left at its termination message path, by container id. */
  readonly terminationMessage: (containerId: string) => string
  /** What running containers have been given, by container id. */
  readonly given: ReadonlyMap<string, ResourceRequirements>
}

function terminated(status: ContainerStatus, message: string): ContainerStateTerminated {
  const text = message || status.message
  return {
    containerID: `containerd://${status.id}`,
    exitCode: status.exitCode,
    finishedAt: timestamp(status.finishedAt),
    ...(text ? { message: text } : {}),
    reason: status.reason || (status.exitCode === 0 ? 'Completed' : 'Error'),
    startedAt: timestamp(status.startedAt),
  }
}

/** The status of one container; `initialising` is true for all containers of a pod that has init containers. */
export function containerStatusOf(container: Container, facts: ContainerFacts, initialising: boolean): ApiContainerStatus {
  const [latest, before] = attemptsOf(facts.observed, container.name)
  const known = statusesOf(facts.pod).find(({ name }) => name === container.name)
  const ended = (status: ContainerStatus | undefined): ContainerState =>
    status?.state === 'exited' ? { terminated: terminated(status, facts.terminationMessage(status.id)) } : {}
  const requests = container.resources?.requests
  const status: ApiContainerStatus = {
    ...(latest && requests ? { allocatedResources: requests } : {}),
    ...(latest ? { containerID: `containerd://${latest.id}` } : {}),
    image: latest?.image ?? container.image ?? '',
    imageID: latest?.imageRef ?? '',
    lastState: ended(before),
    name: container.name,
    ready: false,
    resources: (latest && facts.given.get(latest.id)) ?? container.resources ?? {},
    restartCount: latest?.attempt ?? 0,
    started: false,
    state: {},
  }
  const waiting = facts.waiting.get(container.name)
  if (latest?.state === 'running') {
    status.state = { running: { startedAt: timestamp(latest.startedAt) } }
    status.started = facts.isStarted(latest.id)
    status.ready = status.started && facts.isReady(latest.id)
  } else if (latest?.state === 'exited') {
    if (waiting && !facts.ending) {
      status.state = { waiting: { ...waiting } }
      status.lastState = ended(latest)
    } else status.state = ended(latest)
    status.ready = !isSidecar(container) && latest.exitCode === 0 && isInit(facts.pod, container)
  } else if (facts.ending && known?.state?.terminated) {
    return known // removed from the runtime meanwhile: its end is history and stays
  } else {
    if (latest) status.lastState = ended(before)
    status.state = { waiting: waiting ? { ...waiting } : { reason: initialising ? 'PodInitializing' : 'ContainerCreating' } }
  }
  return status
}

/** What the API says of all containers of a pod. */
export function statusesOf({ status }: Pod): readonly ApiContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? []), ...(status?.ephemeralContainerStatuses ?? [])]
}

/** Of a container for debugging: it is neither started nor ready in the sense of probes. */
export function ephemeralStatusOf(container: Container, facts: ContainerFacts, initialising: boolean): ApiContainerStatus {
  const { started: _, ...status } = containerStatusOf(container, facts, initialising)
  return { ...status, ready: false }
}

function isInit(pod: Pod, container: Container): boolean {
  return (pod.spec.initContainers ?? []).some(({ name }) => name === container.name)
}
