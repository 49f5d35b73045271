import type { Container, Pod } from '../api/generated/types.ts'
import type { ContainerConfig, Image, Mount } from '../cri/runtime.ts'
import { ConfigError } from './env/environment.ts'
import { expand } from './env/expand.ts'
import {
  containerHash,
  containerHashAnnotation,
  containerLabels,
  podDescription,
  restartCountAnnotation,
  terminationMessageFileAnnotation,
  terminationMessagePathAnnotation,
  terminationMessagePolicyAnnotation,
} from './labels.ts'
import { linuxResources } from './resources.ts'
import { groupsOf } from './sandbox-config.ts'

export interface ContainerParts {
  readonly attempt: number
  readonly image: Image
  readonly imageRef: string
  readonly env: ReadonlyMap<string, string>
  /** Volumes' mounts; /etc/hosts and the termination message come on top. */
  readonly mounts: readonly Mount[]
  readonly terminationMessageFile: string
  readonly nodeMemoryBytes: number
  /** The container whose processes this one is to see, where it is to see another's. */
  readonly targetContainerId: string | undefined
}

/** A container as the runtime wants it. Throws {@link ConfigError} where the specification forbids what the image wants. */
export function containerConfigOf(pod: Pod, container: Container, parts: ContainerParts): ContainerConfig {
  const { attempt, env, mounts, terminationMessageFile } = parts
  const lookUp = (name: string): string | undefined => env.get(name)
  const messagePath = container.terminationMessagePath ?? '/dev/termination-log'
  return {
    name: container.name,
    attempt,
    image: parts.imageRef || container.image || '',
    command: (container.command ?? []).map((text) => expand(text, lookUp)),
    args: (container.args ?? []).map((text) => expand(text, lookUp)),
    workingDir: container.workingDir ?? '',
    env: [...env].map(([name, value]) => ({ name, value })),
    mounts: [...mounts, { containerPath: messagePath, hostPath: terminationMessageFile, readonly: false, propagation: 'private' }],
    labels: containerLabels(pod, container.name),
    annotations: {
      [containerHashAnnotation]: containerHash(container),
      [restartCountAnnotation]: String(attempt),
      [terminationMessagePathAnnotation]: messagePath,
      [terminationMessagePolicyAnnotation]: container.terminationMessagePolicy ?? 'File',
      [terminationMessageFileAnnotation]: terminationMessageFile,
    },
    logPath: `${container.name}/${attempt}.log`,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    resources: linuxResources(pod, container, parts.nodeMemoryBytes),
    securityContext: securityContextOf(pod, container, parts.image),
    pidNamespace: pidNamespaceOf(pod, parts.targetContainerId),
    hostNetwork: pod.spec.hostNetwork ?? false,
    hostIpc: pod.spec.hostIPC ?? false,
  }
}

function pidNamespaceOf({ spec }: Pod, targetContainerId: string | undefined): ContainerConfig['pidNamespace'] {
  if (targetContainerId !== undefined) return { containerId: targetContainerId }
  return spec.hostPID ? 'node' : spec.shareProcessNamespace ? 'pod' : 'container'
}

function securityContextOf(pod: Pod, container: Container, image: Image): ContainerConfig['securityContext'] {
  const ofPod = pod.spec.securityContext ?? {}
  const own = container.securityContext ?? {}
  const runAsUser = own.runAsUser ?? ofPod.runAsUser ?? image.user.uid
  const runAsGroup = own.runAsGroup ?? ofPod.runAsGroup
  const username = runAsUser === undefined ? image.user.username : undefined
  if (own.runAsNonRoot ?? ofPod.runAsNonRoot) refuseRoot(pod, container, { runAsUser, username })
  const profile = own.seccompProfile ?? ofPod.seccompProfile
  if (profile?.type === 'Localhost') throw new ConfigError('seccomp profiles of type Localhost are not supported')
  const privileged = own.privileged ?? false
  return {
    ...(runAsUser !== undefined ? { runAsUser } : {}),
    ...(runAsGroup !== undefined && runAsUser !== undefined ? { runAsGroup } : {}),
    ...(username ? { runAsUsername: username } : {}),
    supplementalGroups: groupsOf(pod),
    privileged,
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    seccomp: profile?.type === 'RuntimeDefault' ? 'RuntimeDefault' : 'Unconfined',
  }
}

function refuseRoot(pod: Pod, container: Container, user: { runAsUser: number | undefined; username: string | undefined }): void {
  const where = `(pod: "${podDescription(pod)}", container: ${container.name})`
  if (user.username)
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${user.username}), cannot verify user is non-root ${where}`,
    )
  if (container.securityContext?.runAsUser === 0 || pod.spec.securityContext?.runAsUser === 0)
    throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`)
  if (user.runAsUser === undefined || user.runAsUser === 0)
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`)
}
