import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Container, EphemeralContainer, Pod } from '../api/generated/types.ts'
import type { Mount, SandboxStatus } from '../cri/runtime.ts'
import { errorText } from '../machinery/error-text.ts'
import { nextBackOff } from './back-off.ts'
import { containerConfigOf } from './container-config.ts'
import { hostsFile } from './dns.ts'
import { ConfigError, environmentOf, type ReferencedObjects } from './env/environment.ts'
import { runHook } from './hooks.ts'
import { podDescription } from './labels.ts'
import { latestOf, type ObservedPod } from './observed-pod.ts'
import type { PodMemory, Step } from './plan-pod.ts'
import { factsOf, type PodDeps } from './pod-deps.ts'
import { forgetGiven } from './resizing.ts'
import { hostNameOf, sandboxConfigOf } from './sandbox-config.ts'
import { mountsOf, podFolder } from './volumes/pod-volumes.ts'

export interface StartContext {
  readonly pod: Pod
  readonly observed: ObservedPod
  readonly sandbox: SandboxStatus
  readonly memory: PodMemory
  readonly deps: PodDeps
  readonly objects: ReferencedObjects
}

/** A step of starting a container failed, with the reason its status shows. */
class StartError extends Error {
  readonly reason: string
  constructor(reason: string, cause: unknown) {
    super(errorText(cause), { cause })
    this.name = 'StartError'
    this.reason = reason
  }
}

async function named<T>(reason: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new StartError(error instanceof ConfigError ? 'CreateContainerConfigError' : reason, error)
  }
}

/** Creates and starts the next attempt of a container whose image is there. What goes wrong goes into the memory and the events. */
export async function startContainer(step: Extract<Step, { do: 'start' }>, context: StartContext): Promise<void> {
  const { pod, memory, deps, observed } = context
  const { container, attempt } = step
  const { name } = container
  const now = deps.clock.now()
  const latest = latestOf(observed, name)
  if (latest?.state === 'exited' && !memory.allotment.restarting.has(latest.id))
    memory.restarts.set(name, nextBackOff(memory.restarts.get(name), now))
  memory.starting = name
  try {
    if (step.replaces) await deps.runtime.removeContainer(step.replaces)
    const id = await createContainer(container, attempt, context)
    deps.observer.claim(id, pod.metadata.uid)
    memory.allotment.given.set(id, container.resources ?? {})
    deps.events(pod, 'Normal', 'Created', 'Container created', name)
    await named('RunContainerError', () => deps.runtime.startContainer(id))
    deps.events(pod, 'Normal', 'Started', 'Container started', name)
    deps.log.info('container started', { pod: podDescription(pod), container: name, attempt })
    memory.startFailures.delete(name)
    if (latest) memory.allotment.restarting.delete(latest.id)
    await postStart(container, id, context)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    deps.events(pod, 'Warning', 'Failed', `Error: ${error.message}`, name)
    const failedAt = deps.clock.now()
    memory.startFailures.set(name, { reason: error.reason, message: error.message, attempt, failedAt, retryAt: failedAt + 10_000 })
  } finally {
    memory.starting = undefined
  }
  await pruneAttempts(name, context)
}

async function createContainer(
  container: EphemeralContainer,
  attempt: number,
  { pod, sandbox, memory, deps, objects, observed }: StartContext,
): Promise<string> {
  const { runtime, rootDir, nodeAddress, memoryBytes } = deps
  const folder = podFolder(rootDir, pod.metadata.uid)
  const podIp = pod.spec.hostNetwork ? nodeAddress : sandbox.ip
  const config = await named('CreateContainerConfigError', async () => {
    const services = await deps.services()
    const env = await environmentOf(pod, container, { objects, services, facts: factsOf(pod, sandbox, deps) })
    const mounts = await mountsOf(pod, container, env, rootDir)
    const ownMounts = await podFiles(pod, folder, podIp, deps, mounts)
    const terminationMessageFile = join(folder, 'containers', container.name, deps.random.uuid().slice(0, 8))
    await writeWorldFile(terminationMessageFile)
    const imageRef = memory.pulled.get(container.name)?.imageRef ?? ''
    const image = await runtime.imageStatus(imageRef || (container.image ?? ''))
    if (!image) throw new Error(`image ${container.image} has been removed`)
    const targetContainerId = targetOf(container, observed)
    const parts = {
      ...{ attempt, image, imageRef, env, mounts: ownMounts, terminationMessageFile, nodeMemoryBytes: memoryBytes },
      targetContainerId,
    }
    return { ...containerConfigOf(pod, container, parts), image: container.image ?? '' }
  })
  return named('CreateContainerError', async () => {
    const sandboxConfig = sandboxConfigOf(pod, sandbox.attempt, deps.sandbox)
    await mkdir(join(sandboxConfig.logDirectory, container.name), { recursive: true, mode: 0o755 })
    return runtime.createContainer(sandbox.id, config, sandboxConfig)
  })
}

/** The container, by id, whose processes a container for debugging asks to see. */
function targetOf({ targetContainerName: name }: EphemeralContainer, observed: ObservedPod): string | undefined {
  if (!name) return undefined
  const latest = latestOf(observed, name)
  if (latest?.state !== 'running') throw new Error(`unable to find target container ${name}`)
  return latest.id
}

/** The volumes' mounts and, where no volume takes its place, the pod's own /etc/hosts. */
async function podFiles(pod: Pod, folder: string, podIp: string, deps: PodDeps, mounts: Mount[]): Promise<Mount[]> {
  if (mounts.some(({ containerPath }) => containerPath === '/etc/hosts')) return mounts
  const file = join(folder, 'etc-hosts')
  await mkdir(folder, { recursive: true, mode: 0o750 })
  await writeFile(file, hostsFile(pod, podIp, hostNameOf(pod), deps.sandbox.clusterDomain, deps.hostsText), { mode: 0o644 })
  return [...mounts, { containerPath: '/etc/hosts', hostPath: file, readonly: false, propagation: 'private' }]
}

async function writeWorldFile(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o750 })
  await writeFile(file, '')
  await chmod(file, 0o666) // whoever the container runs as writes its last words here
}

async function postStart(container: Container, containerId: string, { pod, sandbox, memory, deps }: StartContext): Promise<void> {
  const hook = container.lifecycle?.postStart
  if (!hook) return
  const podIp = pod.spec.hostNetwork ? deps.nodeAddress : sandbox.ip
  try {
    // A hook has no timeout of its own; ending the container ends it.
    await runHook(hook, { container, containerId, podIp }, 24 * 3600_000, deps)
  } catch (error) {
    deps.log.warn('postStart hook failed', { pod: pod.metadata.name, container: container.name, error })
    deps.events(pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name)
    memory.condemned.set(containerId, 'FailedPostStartHook')
  }
}

/** The runtime keeps the newest attempt and the one before, for `logs --previous`; older ones go. */
async function pruneAttempts(name: string, { observed, memory, deps: { runtime, observer } }: StartContext): Promise<void> {
  const old = observed.containers.filter((container) => container.name === name && container.state !== 'running').slice(1)
  for (const { id } of old) await runtime.removeContainer(id)
  observer.forget(old.map(({ id }) => id))
  for (const { id } of old) forgetGiven(memory.allotment, id)
}
