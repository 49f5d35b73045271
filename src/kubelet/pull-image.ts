import type { Container, Pod, Secret } from '../api/generated/types.ts'
import { errorText } from '../machinery/error-text.ts'
import { goSeconds, nextBackOff } from './back-off.ts'
import type { ReferencedObjects } from './env/environment.ts'
import { namespaceOf } from './labels.ts'
import type { PodMemory, PullFailure } from './plan-pod.ts'
import type { PodDeps } from './pod-deps.ts'

/** Pulls' back-offs, by image: a pod made anew doesn't hammer the registry either. */
export type PullBackOffs = Map<string, import('./back-off.ts').BackOff>

const reference =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-fA-F]{32,})?$/

export function isImageReference(image: string): boolean {
  return reference.test(image)
}

/** What applies where the specification says nothing: images tagged latest, or not at all, are pulled each time. */
export function pullPolicyOf(container: Container): string {
  if (container.imagePullPolicy) return container.imagePullPolicy
  const image = container.image ?? ''
  return !image.includes('@') && (/:latest$/.test(image) || !/:[^/]+$/.test(image)) ? 'Always' : 'IfNotPresent'
}

/** Makes the image of a container's next attempt be there, or remembers why it isn't. */
export async function pullForContainer(
  pod: Pod,
  container: Container,
  attempt: number,
  memory: PodMemory,
  deps: PodDeps,
  objects: ReferencedObjects,
  backOffs: PullBackOffs,
): Promise<void> {
  const { runtime, clock, events } = deps
  const image = container.image ?? ''
  const { name } = container
  const fail = (reason: string, message: string, retryMs: number): void => {
    const now = clock.now()
    memory.pullFailures.set(name, { reason, message, failedAt: now, retryAt: now + retryMs })
  }
  if (!isImageReference(image)) {
    const message = `Failed to apply default image tag "${image}": couldn't parse image reference "${image}": invalid reference format`
    if (!memory.pullFailures.has(name)) events(pod, 'Warning', 'InspectFailed', message, name)
    events(pod, 'Warning', 'Failed', 'Error: InvalidImageName', name)
    return fail('InvalidImageName', message, 60_000)
  }
  const policy = pullPolicyOf(container)
  const present = await runtime.imageStatus(image)
  if (present && policy !== 'Always') {
    events(pod, 'Normal', 'Pulled', `Container image "${image}" already present on machine and can be accessed by the pod`, name)
    memory.pulled.set(name, { attempt, imageRef: present.id })
    memory.pullFailures.delete(name)
    return
  }
  if (policy === 'Never') {
    const message = `Container image "${image}" is not present with pull policy of Never`
    events(pod, 'Warning', 'ErrImageNeverPull', message, name)
    events(pod, 'Warning', 'Failed', 'Error: ErrImageNeverPull', name)
    return fail('ErrImageNeverPull', message, 10_000)
  }
  events(pod, 'Normal', 'Pulling', `Pulling image "${image}"`, name)
  const began = clock.monotonic()
  try {
    const { imageRef } = await runtime.pullImage(image, await credentialsFor(pod, image, objects))
    const took = goDuration(clock.monotonic() - began)
    const size = (await runtime.imageStatus(image))?.sizeBytes ?? 0
    events(
      pod,
      'Normal',
      'Pulled',
      `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${size} bytes.`,
      name,
    )
    memory.pulled.set(name, { attempt, imageRef })
    memory.pullFailures.delete(name)
    backOffs.delete(image)
  } catch (error) {
    const backOff = nextBackOff(backOffs.get(image), clock.now())
    backOffs.set(image, backOff)
    events(pod, 'Warning', 'Failed', `Failed to pull image "${image}": ${errorText(error)}`, name)
    events(pod, 'Warning', 'Failed', 'Error: ErrImagePull', name)
    fail('ErrImagePull', errorText(error), backOff.delayMs)
  }
}

/** The error has been shown: from here on the container waits. */
export function notePullBackOff(pod: Pod, container: Container, memory: PodMemory, { events }: PodDeps): void {
  const failure: PullFailure | undefined = memory.pullFailures.get(container.name)
  if (failure?.reason !== 'ErrImagePull') return
  events(pod, 'Normal', 'BackOff', `Back-off pulling image "${container.image}"`, container.name)
  events(pod, 'Warning', 'Failed', 'Error: ImagePullBackOff', container.name)
  failure.reason = 'ImagePullBackOff'
  failure.message = `Back-off pulling image "${container.image}": ErrImagePull: ${failure.message}`
}

function goDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : ms < 60_000 ? `${(ms / 1000).toFixed(3)}s` : goSeconds(ms)
}

type Credentials = { username: string; password: string }

/** From the pod's imagePullSecrets: the entry whose registry the image names. */
async function credentialsFor(pod: Pod, image: string, objects: ReferencedObjects): Promise<Credentials | undefined> {
  const first = image.split('/', 1)[0]!
  const registry = image.includes('/') && /[.:]|^localhost$/.test(first) ? first : 'docker.io'
  for (const { name } of pod.spec.imagePullSecrets ?? []) {
    const secret = name ? await objects.secret(namespaceOf(pod), name) : undefined
    const found = secret && credentialsIn(secret, registry)
    if (found) return found
  }
  return undefined
}

interface DockerConfig {
  auths?: Record<string, { auth?: string; username?: string; password?: string }>
}

function credentialsIn(secret: Secret, registry: string): Credentials | undefined {
  const text = secret.data?.['.dockerconfigjson']
  if (!text) return undefined
  const { auths = {} } = JSON.parse(Buffer.from(text, 'base64').toString()) as DockerConfig
  for (const [server, { auth, username, password }] of Object.entries(auths)) {
    const host = server.replace(/^https?:\/\//, '').split('/', 1)[0]
    if (host !== registry && !(registry === 'docker.io' && host === 'index.docker.io')) continue
    if (username !== undefined && password !== undefined) return { username, password }
    const [user = '', ...rest] = Buffer.from(auth ?? '', 'base64')
      .toString()
      .split(':')
    return { username: user, password: rest.join(':') }
  }
  return undefined
}
