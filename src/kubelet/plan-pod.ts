import { isSidecar, isTerminated } from '../api/core/pod-facts.ts'
import type { Container, EphemeralContainer, Pod } from '../api/generated/types.ts'
import type { ContainerStatus } from '../cri/runtime.ts'
import { type BackOff, goSeconds, retryAt } from './back-off.ts'
import { statusesOf } from './container-statuses.ts'
import { containerHash, containerHashAnnotation, podDescription } from './labels.ts'
import { attemptsOf, latestOf, type ObservedPod } from './observed-pod.ts'
import { type Allotment, allotmentOf, resizeOf } from './resizing.ts'

/** What the worker of a pod knows beyond the API and the runtime; lost (harmlessly) when the kubelet restarts. */
export interface PodMemory {
  volumesReady: boolean
  /** Counts changes of what volumes show: a set-up that was overtaken by one is done again. */
  volumeChanges: number
  /** When tokens in the pod's volumes must be renewed. */
  renewVolumesAt: number | undefined
  /** Volumes are taken down and resources given back. */
  released: boolean
  /** Why the kubelet itself ended the pod: deadline, admission. */
  failure: { reason: string; message: string } | undefined
  /** Container name to restart back-off. */
  readonly restarts: Map<string, BackOff>
  /** Container name to the attempt whose image is there. */
  readonly pulled: Map<string, { attempt: number; imageRef: string }>
  readonly pullFailures: Map<string, PullFailure>
  readonly startFailures: Map<string, StartFailure>
  /** The container that is being started right now. */
  starting: string | undefined
  /** Containers (by id) whose startup probe has succeeded, or that have none. */
  readonly started: Set<string>
  /** Containers (by id) that must be restarted, and the message of their Killing event. */
  readonly condemned: Map<string, string>
  readonly allotment: Allotment
  sandboxFailure: { retryAt: number; delayMs: number } | undefined
  volumeFailure: { retryAt: number; delayMs: number } | undefined
  /** The API has been told to delete the pod for good. */
  finished: boolean
  /** Nothing of the pod is left on this node. */
  removed: boolean
}

export function newMemory(pod: Pod): PodMemory {
  return {
    ...{ volumesReady: false, volumeChanges: 0, released: false, finished: false, removed: false },
    ...{ starting: undefined, renewVolumesAt: undefined, failure: undefined, sandboxFailure: undefined, volumeFailure: undefined },
    ...{ restarts: new Map(), pulled: new Map(), pullFailures: new Map(), startFailures: new Map() },
    ...{ started: new Set(), condemned: new Map(), allotment: allotmentOf(pod) },
  }
}

export interface PullFailure {
  /** ErrImagePull, ErrImageNeverPull, InvalidImageName, then ImagePullBackOff. */
  reason: string
  message: string
  failedAt: number
  retryAt: number
}

export interface StartFailure {
  /** CreateContainerConfigError, CreateContainerError, RunContainerError, PostStartHookError. */
  reason: string
  message: string
  attempt: number
  failedAt: number
  retryAt: number
}

export interface PodSituation {
  /** As far as its resources are granted. */
  readonly pod: Pod
  /** The API knows this pod no more. */
  readonly gone: boolean
  readonly observed: ObservedPod
  readonly memory: PodMemory
  readonly now: number
}

export type Step =
  | { do: 'mount-volumes' }
  | { do: 'create-sandbox'; attempt: number; changed: boolean }
  | { do: 'stop-sandbox'; id: string }
  | { do: 'pull'; container: Container; attempt: number }
  /** A failed pull turns from an error into waiting. */
  | { do: 'note-pull-back-off'; container: Container }
  /** `replaces`: was created but never started. */
  | { do: 'start'; container: Container; attempt: number; replaces?: string }
  /** `resized`: it ends only to begin anew with other resources. */
  | { do: 'kill'; container: ContainerStatus; graceSeconds: number; message: string; resized?: true }
  /** Gives a running container what it is granted. */
  | { do: 'resize'; container: Container; containerId: string }
  | { do: 'fail'; reason: string; message: string }
  /** All processes have ended: take volumes down. */
  | { do: 'release' }
  /** Released and last status written: delete the pod from the API. */
  | { do: 'finish' }
  /** Remove all traces from this node. */
  | { do: 'remove' }

export interface PodPlan {
  readonly steps: readonly Step[]
  /** Why containers that do not run don't: the waiting state of their status. */
  readonly waiting: ReadonlyMap<string, { reason: string; message?: string }>
  /** When time alone changes the plan. */
  readonly lookAgainAt: number | undefined
}

/** How long a pull's or start's own error shows before its back-off does. */
const errorShownMs = 3000

/** What to do now for a pod, everything at once that can run at once. Pure: the same situation gives the same plan. */
export function planPod(situation: PodSituation): PodPlan {
  const draft: Draft = { steps: [], waiting: new Map(), lookAgainAt: undefined }
  if (isEnding(situation)) planEnd(situation, draft)
  else planLife(situation, draft)
  return draft
}

interface Draft {
  steps: Step[]
  waiting: Map<string, { reason: string; message?: string }>
  lookAgainAt: number | undefined
}

function lookAgain(draft: Draft, at: number): void {
  draft.lookAgainAt = Math.min(draft.lookAgainAt ?? Number.POSITIVE_INFINITY, at)
}

/** True once no container of the pod may be started any more. */
export function isEnding({ pod, gone, memory, observed }: Pick<PodSituation, 'pod' | 'gone' | 'memory' | 'observed'>): boolean {
  return gone || pod.metadata.deletionTimestamp !== undefined || memory.failure !== undefined || isOver(pod, observed)
}

/** The pod has run its course: it succeeded or failed, and its restart policy leaves it at that. */
export function isOver(pod: Pod, observed: ObservedPod): boolean {
  if (isTerminated(pod)) return true
  const policy = pod.spec.restartPolicy ?? 'Always'
  if (policy === 'Always') return false
  const failed = (container: Container): boolean => {
    const latest = latestOf(observed, container.name)
    return latest?.state === 'exited' && latest.exitCode !== 0
  }
  const mainsExist = pod.spec.containers.some(({ name }) => latestOf(observed, name) !== undefined)
  if (policy === 'Never' && !mainsExist && (pod.spec.initContainers ?? []).some((init) => !isSidecar(init) && failed(init))) return true
  return pod.spec.containers.every((container) => {
    const latest = latestOf(observed, container.name)
    return latest?.state === 'exited' && (policy === 'Never' || latest.exitCode === 0)
  })
}

function planEnd(situation: PodSituation, draft: Draft): void {
  const { pod, gone, observed, memory } = situation
  const running = observed.containers.filter(({ state }) => state === 'running')
  if (running.length > 0) {
    const graceSeconds = graceOf(situation)
    const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name))
    const mains = running.filter(({ name }) => !sidecars.has(name))
    // Sidecars serve the others until these have ended.
    for (const container of mains.length > 0 ? mains : running)
      draft.steps.push({ do: 'kill', container, graceSeconds, message: `Stopping container ${container.name}` })
    return
  }
  const ready = observed.sandboxes.filter((sandbox) => sandbox.ready)
  if (ready.length > 0) {
    for (const { id } of ready) draft.steps.push({ do: 'stop-sandbox', id })
    return
  }
  if (memory.removed) return
  if (gone) draft.steps.push({ do: 'remove' })
  else if (!memory.released) draft.steps.push({ do: 'release' })
  else if (pod.metadata.deletionTimestamp !== undefined && !memory.finished) draft.steps.push({ do: 'finish' })
}

/** Seconds between the stop signal and the kill. */
export function graceOf({ pod, gone }: Pick<PodSituation, 'pod' | 'gone'>): number {
  const asked = pod.metadata.deletionGracePeriodSeconds
  if (asked !== undefined) return Math.max(asked, 1)
  return gone ? 1 : Math.max(pod.spec.terminationGracePeriodSeconds ?? 30, 1)
}

/** When activeDeadlineSeconds end the pod. */
export function deadlineOf(pod: Pod): number | undefined {
  const { activeDeadlineSeconds } = pod.spec
  const start = pod.status?.startTime
  return activeDeadlineSeconds === undefined || start === undefined ? undefined : Date.parse(start) + activeDeadlineSeconds * 1000
}

function planLife(situation: PodSituation, draft: Draft): void {
  const { pod, observed, memory, now } = situation
  const deadline = deadlineOf(pod)
  if (deadline !== undefined) {
    if (deadline <= now) {
      const message = 'Pod was active on the node longer than the specified deadline'
      draft.steps.push({ do: 'fail', reason: 'DeadlineExceeded', message })
      return
    }
    lookAgain(draft, deadline)
  }
  const sandbox = observed.sandboxes[0]
  if (!sandbox?.ready && stopRemains(observed, undefined, draft)) return
  if (sandbox?.ready && stopRemains(observed, sandbox.id, draft)) return
  if (!memory.volumesReady) {
    if (memory.volumeFailure && memory.volumeFailure.retryAt > now) lookAgain(draft, memory.volumeFailure.retryAt)
    else draft.steps.push({ do: 'mount-volumes' })
    if (!sandbox?.ready) return
  } else if (memory.renewVolumesAt !== undefined) {
    if (memory.renewVolumesAt <= now) draft.steps.push({ do: 'mount-volumes' })
    else lookAgain(draft, memory.renewVolumesAt)
  }
  if (!sandbox?.ready) {
    if (memory.sandboxFailure && memory.sandboxFailure.retryAt > now) lookAgain(draft, memory.sandboxFailure.retryAt)
    else draft.steps.push({ do: 'create-sandbox', attempt: sandbox ? sandbox.attempt + 1 : 0, changed: sandbox !== undefined })
    return
  }
  planContainers({ ...situation, sandboxId: sandbox.id }, draft)
}

/** Ends what runs outside the sandbox in use; true while there is such. */
function stopRemains(observed: ObservedPod, sandboxInUse: string | undefined, draft: Draft): boolean {
  const stray = observed.containers.filter(({ state, sandboxId }) => state === 'running' && sandboxId !== sandboxInUse)
  for (const container of stray) {
    const message = 'Pod sandbox changed, it will be killed and re-created.'
    draft.steps.push({ do: 'kill', container, graceSeconds: 2, message })
  }
  const readyStrays = observed.sandboxes.filter(({ id, ready }) => ready && id !== sandboxInUse)
  for (const { id } of readyStrays) draft.steps.push({ do: 'stop-sandbox', id })
  return stray.length + readyStrays.length > 0
}

type InSandbox = PodSituation & { sandboxId: string }

/** The newest attempt in the sandbox in use: what ran in an earlier one counts as never run, but for its number. */
function current({ observed, sandboxId }: InSandbox, container: Container): ContainerStatus | undefined {
  return attemptsOf(observed, container.name).find((attempt) => attempt.sandboxId === sandboxId)
}

function planContainers(situation: InSandbox, draft: Draft): void {
  const { pod, memory } = situation
  for (const ephemeral of pod.spec.ephemeralContainers ?? []) startOnce(situation, ephemeral, draft)
  const mainsBegan = pod.spec.containers.some((container) => current(situation, container) !== undefined)
  for (const init of pod.spec.initContainers ?? []) {
    const latest = current(situation, init)
    if (isSidecar(init)) {
      keepRunning(situation, init, draft)
      if (!mainsBegan && (latest?.state !== 'running' || !memory.started.has(latest.id))) return
    } else if (!mainsBegan && !(latest?.state === 'exited' && latest.exitCode === 0)) {
      if (latest?.state !== 'running') bringUp(situation, init, latest, draft)
      return
    }
  }
  for (const main of pod.spec.containers) keepRunning(situation, main, draft)
}

function keepRunning(situation: InSandbox, container: Container, draft: Draft): void {
  const { pod, memory } = situation
  const latest = current(situation, container)
  if (latest?.state === 'running') {
    const condemned = memory.condemned.get(latest.id)
    const changed = latest.annotations[containerHashAnnotation] !== containerHash(container)
    const message = changed ? `Container ${container.name} definition changed, will be restarted` : condemned
    const graceSeconds = Math.max(pod.spec.terminationGracePeriodSeconds ?? 30, 1)
    if (message !== undefined) draft.steps.push({ do: 'kill', container: latest, graceSeconds, message })
    else planResize(situation, container, latest, graceSeconds, draft)
    return
  }
  if (latest && memory.allotment.restarting.has(latest.id)) {
    bringUp(situation, container, latest, draft)
    return
  }
  // Done for good is done also where the sandbox has been made anew since.
  const ended = latest ?? latestOf(situation.observed, container.name)
  if (ended?.state === 'exited' && isDone(pod, container, ended)) return
  if (latest?.state === 'exited' && !mayRestart(pod, container, latest)) return
  bringUp(situation, container, latest, draft)
}

function planResize({ memory, now }: InSandbox, container: Container, latest: ContainerStatus, graceSeconds: number, draft: Draft): void {
  const { allotment } = memory
  const how = resizeOf(container, latest.id, allotment)
  if (how === undefined) return
  if (how === 'restart') {
    const message = `Container ${container.name} resize requires restart`
    draft.steps.push({ do: 'kill', container: latest, graceSeconds, message, resized: true })
  } else if (allotment.failure && allotment.failure.retryAt > now) lookAgain(draft, allotment.failure.retryAt)
  else draft.steps.push({ do: 'resize', container, containerId: latest.id })
}

/** Containers for debugging wait for no other, and what has run of them, in whichever sandbox, is never run again. */
function startOnce(situation: InSandbox, container: EphemeralContainer, draft: Draft): void {
  const latest = latestOf(situation.observed, container.name)
  if (latest?.state === 'running' || latest?.state === 'exited') return
  const told = situation.pod.status?.ephemeralContainerStatuses?.find(({ name }) => name === container.name)
  if (!latest && (told?.state?.running || told?.state?.terminated)) return
  bringUp(situation, container, latest, draft)
}

function isDone(pod: Pod, container: Container, ended: ContainerStatus): boolean {
  return !isSidecar(container) && pod.spec.restartPolicy === 'OnFailure' && ended.exitCode === 0
}

function mayRestart(pod: Pod, container: Container, ended: ContainerStatus): boolean {
  const policy = isSidecar(container) ? 'Always' : (pod.spec.restartPolicy ?? 'Always')
  return policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0)
}

/** Pull and start, or the reason to wait. */
function bringUp(situation: InSandbox, container: Container, latest: ContainerStatus | undefined, draft: Draft): void {
  const { pod, observed, memory, now } = situation
  const { name } = container
  if (memory.starting === name) return // neither waits nor runs yet
  const newest = latestOf(observed, name)
  const unstarted = latest?.state === 'created' || latest?.state === 'unknown' ? latest : undefined
  const attempt = unstarted ? unstarted.attempt : newest ? newest.attempt + 1 : restartCountIn(pod, name)
  if (latest?.state === 'exited' && !memory.allotment.restarting.has(latest.id)) {
    const entry = memory.restarts.get(name)
    const at = retryAt(entry, latest.finishedAt)
    const failure = memory.startFailures.get(name)
    if (at > now && entry) {
      lookAgain(draft, at)
      if (failure?.attempt === latest.attempt && now < failure.failedAt + errorShownMs) {
        draft.waiting.set(name, { reason: failure.reason, message: failure.message })
        lookAgain(draft, failure.failedAt + errorShownMs)
      } else {
        const message = `back-off ${goSeconds(entry.delayMs)} restarting failed container=${name} pod=${podDescription(pod)}`
        draft.waiting.set(name, { reason: 'CrashLoopBackOff', message })
      }
      return
    }
  }
  if (!memory.volumesReady) return
  if (memory.pulled.get(name)?.attempt !== attempt) {
    planPull(situation, container, attempt, draft)
    return
  }
  const failure = memory.startFailures.get(name)
  if (failure && failure.attempt === attempt) {
    draft.waiting.set(name, { reason: failure.reason, message: failure.message })
    if (failure.retryAt > now) {
      lookAgain(draft, failure.retryAt)
      return
    }
  }
  draft.steps.push({ do: 'start', container, attempt, ...(unstarted ? { replaces: unstarted.id } : {}) })
}

function planPull({ memory, now }: PodSituation, container: Container, attempt: number, draft: Draft): void {
  const failure = memory.pullFailures.get(container.name)
  if (failure) {
    draft.waiting.set(container.name, { reason: failure.reason, message: failure.message })
    if (failure.reason === 'ErrImagePull') {
      if (now >= failure.failedAt + errorShownMs) draft.steps.push({ do: 'note-pull-back-off', container })
      else lookAgain(draft, failure.failedAt + errorShownMs)
    }
    if (failure.retryAt > now) {
      lookAgain(draft, failure.retryAt)
      return
    }
  }
  draft.steps.push({ do: 'pull', container, attempt })
}

/** The number for a container the runtime knows nothing of: the API may, where the runtime's data was lost. */
function restartCountIn(pod: Pod, name: string): number {
  const known = statusesOf(pod).find((status) => status.name === name)
  return known && (known.state?.running || known.state?.terminated || known.lastState?.terminated) ? known.restartCount + 1 : 0
}
