import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod, RuntimeClass } from '../api/generated/types.ts'
import { pods, runtimeClasses, serviceAccounts } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { errorText } from '../machinery/error-text.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import { removeCgroup } from './cgroups.ts'
import type { ReferencedObjects } from './env/environment.ts'
import { killContainer } from './kill-container.ts'
import { namespaceOf, podDescription, podLogFolder } from './labels.ts'
import type { ObservedPod } from './observed-pod.ts'
import type { PodMemory, Step } from './plan-pod.ts'
import { factsOf, type PodDeps } from './pod-deps.ts'
import { notePullBackOff, type PullBackOffs, pullForContainer } from './pull-image.ts'
import { resizeContainer } from './resize-container.ts'
import { cgroupParents } from './resources.ts'
import { sandboxConfigOf } from './sandbox-config.ts'
import { startContainer } from './start-container.ts'
import { removeWithMounts } from './volumes/mounts-under.ts'
import { type PayloadSources, VolumeError } from './volumes/payload.ts'
import { podFolder, setUpVolumes, tearDownPod } from './volumes/pod-volumes.ts'

export interface StepContext {
  readonly pod: Pod
  readonly observed: ObservedPod
  readonly memory: PodMemory
  readonly deps: PodDeps
  readonly objects: ReferencedObjects
  readonly pullBackOffs: PullBackOffs
  /** Writes the pod's last status. */
  readonly flushStatus: () => Promise<void>
  /** Containers whose Killing event has been told. */
  readonly killing: Set<string>
}

/** Steps with the same key exclude one another; all others run side by side. */
export function keyOf(step: Step): string {
  switch (step.do) {
    case 'stop-sandbox':
      return `stop-sandbox ${step.id}`
    case 'pull':
      return `pull ${step.container.name}`
    case 'note-pull-back-off':
      return `note ${step.container.name}`
    case 'resize':
      return `resize ${step.containerId}`
    case 'kill':
      return `kill ${step.container.id} ${step.graceSeconds}`
    default:
      return step.do
  }
}

/** These build a pod up: its end waits until they are through, so that nothing is made behind its back. */
export const building: ReadonlySet<string> = new Set(['mount-volumes', 'create-sandbox', 'start'])
/** These take away what the building steps use. */
export const razing: ReadonlySet<Step['do']> = new Set<Step['do']>(['stop-sandbox', 'release', 'finish', 'remove'])

/** Carries one step out. Expected failures go into the memory; what is thrown is tried again. */
export async function carryOut(step: Step, context: StepContext): Promise<void> {
  const { pod, observed, memory, deps } = context
  switch (step.do) {
    case 'mount-volumes':
      return mountVolumes(context)
    case 'create-sandbox':
      return createSandbox(step, context)
    case 'stop-sandbox':
      return deps.runtime.stopPodSandbox(step.id)
    case 'pull':
      return pullForContainer(pod, step.container, step.attempt, memory, deps, context.objects, context.pullBackOffs)
    case 'note-pull-back-off':
      return notePullBackOff(pod, step.container, memory, deps)
    case 'start':
      if (observed.sandbox) await startContainer(step, { ...context, sandbox: observed.sandbox })
      return
    case 'resize':
      return resizeContainer(step, context)
    case 'kill':
      return kill(step, context)
    case 'fail':
      deps.events(pod, 'Normal', step.reason, step.message)
      memory.failure = { reason: step.reason, message: step.message }
      return
    case 'release':
      // Last words and logs stay until the pod itself goes.
      await removeWithMounts(join(podFolder(deps.rootDir, pod.metadata.uid), 'volumes'), deps.exec)
      memory.released = true
      deps.log.info('pod has ended', { pod: podDescription(pod) })
      return
    case 'finish':
      return finish(context)
    case 'remove':
      return removeTraces(context)
  }
}

async function kill(step: Extract<Step, { do: 'kill' }>, { pod, observed, memory, deps, killing }: StepContext): Promise<void> {
  const { container, graceSeconds, message, resized } = step
  if (resized) memory.allotment.restarting.add(container.id)
  if (!killing.has(container.id)) {
    killing.add(container.id)
    deps.events(pod, 'Normal', 'Killing', message, container.name)
  }
  const podIp = pod.spec.hostNetwork ? deps.nodeAddress : (observed.sandbox?.ip ?? '')
  await killContainer(pod, container, graceSeconds, podIp, deps)
}

async function mountVolumes({ pod, observed, memory, deps, objects }: StepContext): Promise<void> {
  const { clock } = deps
  const changes = memory.volumeChanges
  let renewAt: number | undefined
  const sources: PayloadSources = {
    objects,
    facts: factsOf(pod, observed.sandbox, deps),
    token(of, audience, expirationSeconds) {
      // Upstream renews when a fifth of the time is left.
      renewAt = Math.min(renewAt ?? Number.POSITIVE_INFINITY, clock.now() + expirationSeconds * 800)
      return token(deps, of, audience, expirationSeconds)
    },
  }
  try {
    await setUpVolumes(pod, sources, deps)
    memory.volumesReady = memory.volumeChanges === changes
    memory.volumeFailure = undefined
    memory.renewVolumesAt = renewAt
  } catch (error) {
    if (!(error instanceof VolumeError)) throw error
    deps.events(pod, 'Warning', 'FailedMount', error.message)
    const delayMs = Math.min((memory.volumeFailure?.delayMs ?? 250) * 2, 122_000)
    memory.volumeFailure = { retryAt: clock.now() + delayMs, delayMs }
    if (memory.renewVolumesAt !== undefined) memory.renewVolumesAt = clock.now() + delayMs
  }
}

async function token({ client }: PodDeps, pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string> {
  const account = pod.spec.serviceAccountName ?? 'default'
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid },
    },
  }
  try {
    const answer = await client
      .resource(serviceAccounts, namespaceOf(pod))
      .createSubresource<{ status?: { token?: string } }>(account, 'token', body)
    if (!answer.status?.token) throw new Error('the answer holds no token')
    return answer.status.token
  } catch (error) {
    throw new VolumeError(`failed to fetch token: ${errorText(error)}`, { cause: error })
  }
}

async function createSandbox(step: Extract<Step, { do: 'create-sandbox' }>, { pod, observed, memory, deps }: StepContext): Promise<void> {
  if (step.changed) deps.events(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.')
  const config = sandboxConfigOf(pod, step.attempt, deps.sandbox)
  try {
    await mkdir(config.logDirectory, { recursive: true, mode: 0o755 })
    const sandbox = await deps.runtime.runPodSandbox(config, await runtimeHandlerOf(pod, deps.client))
    deps.observer.claim(sandbox, pod.metadata.uid)
    deps.log.info('pod starts', { pod: podDescription(pod), sandbox: sandbox.slice(0, 13) })
    memory.sandboxFailure = undefined
  } catch (error) {
    deps.events(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${errorText(error)}`)
    const delayMs = Math.min((memory.sandboxFailure?.delayMs ?? 500) * 2, 15_000)
    memory.sandboxFailure = { retryAt: deps.clock.now() + delayMs, delayMs }
    return
  }
  const old = spentSandboxes(observed)
  for (const { id } of old) await deps.runtime.removePodSandbox(id)
  deps.observer.forget(old.map(({ id }) => id))
}

/** What is to run a pod, as its RuntimeClass has it; '': whatever runs those that ask for nothing. */
async function runtimeHandlerOf({ spec }: Pod, client: Client): Promise<string> {
  if (!spec.runtimeClassName) return ''
  return (await client.resource<RuntimeClass>(runtimeClasses).get(spec.runtimeClassName)).handler
}

/**
 * What a new sandbox makes useless. The last one before it stays for its containers, which say how they ended; one that never held any,
 * as a runtime killed on the way leaves it, may yet hold an address and a process.
 */
export function spentSandboxes({ sandboxes, containers }: ObservedPod): ObservedPod['sandboxes'] {
  return sandboxes.filter(({ id }, age) => age > 0 || !containers.some(({ sandboxId }) => sandboxId === id))
}

async function finish({ pod, deps, memory, flushStatus }: StepContext): Promise<void> {
  await flushStatus()
  try {
    const preconditions = { uid: pod.metadata.uid }
    await deps.client.resource<Pod>(pods, namespaceOf(pod)).delete(pod.metadata.name, { gracePeriodSeconds: 0, preconditions })
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error
  }
  memory.finished = true
}

async function removeTraces({ pod, observed, deps, memory }: StepContext): Promise<void> {
  for (const { id } of observed.sandboxes) await deps.runtime.removePodSandbox(id)
  const left = await deps.runtime.listContainers({ podUid: pod.metadata.uid })
  for (const { id } of left) await deps.runtime.removeContainer(id)
  deps.observer.forget([...observed.sandboxes, ...observed.containers, ...left].map(({ id }) => id))
  await tearDownPod(pod.metadata.uid, deps)
  await rm(join(deps.sandbox.logDir, podLogFolder(pod)), { recursive: true, force: true })
  for (const parent of cgroupParents(deps.sandbox.cgroupRoot, pod.metadata.uid)) await removeCgroup(parent, deps.log)
  memory.removed = true
  deps.log.info('pod is gone from this node', { pod: podDescription(pod) })
}
