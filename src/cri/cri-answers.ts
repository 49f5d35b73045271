/** From CRI's messages to the contract's plain objects. */

import type { Decoded } from '../machinery/protobuf.ts'
import {
  type Container,
  type ContainerStatusResponse,
  containerStates,
  type ListImagesResponse,
  type PodSandbox,
  PodSandboxState,
  type PodSandboxStatusResponse,
} from './cri-messages.ts'
import {
  type ContainerStatus,
  type ContainerSummary,
  type Image,
  RuntimeError,
  type SandboxStatus,
  type SandboxSummary,
} from './runtime.ts'

/** CRI's times are nanoseconds since the epoch; 0, or less for Go's zero time, is "not yet". */
const milliseconds = (nanoseconds: number): number => (nanoseconds > 0 ? Math.floor(nanoseconds / 1e6) : 0)

export function sandboxSummaryFrom(sandbox: Decoded<typeof PodSandbox>): SandboxSummary {
  const { id, metadata, state, createdAt, labels, annotations } = sandbox
  return {
    id,
    podName: metadata?.name ?? '',
    podNamespace: metadata?.namespace ?? '',
    podUid: metadata?.uid ?? '',
    attempt: metadata?.attempt ?? 0,
    ready: state === PodSandboxState.ready,
    createdAt: milliseconds(createdAt),
    labels,
    annotations,
  }
}

export function sandboxStatusFrom({ status }: Decoded<typeof PodSandboxStatusResponse>): SandboxStatus {
  if (!status) throw new RuntimeError('Internal', 'the runtime answered a sandbox status without a status')
  const { network } = status
  return { ...sandboxSummaryFrom(status), ip: network?.ip ?? '', additionalIps: (network?.additionalIps ?? []).map(({ ip }) => ip) }
}

export function containerSummaryFrom(container: Decoded<typeof Container>): ContainerSummary {
  const { id, podSandboxId, metadata, image, imageRef, state, createdAt, labels, annotations } = container
  return {
    ...{ id, sandboxId: podSandboxId, name: metadata?.name ?? '', attempt: metadata?.attempt ?? 0 },
    state: containerStates[state] ?? 'unknown',
    ...{ image: image?.image ?? '', imageRef, createdAt: milliseconds(createdAt), labels, annotations },
  }
}

export function containerStatusFrom({ status }: Decoded<typeof ContainerStatusResponse>, sandboxId: string): ContainerStatus {
  if (!status) throw new RuntimeError('Internal', 'the runtime answered a container status without a status')
  const { startedAt, finishedAt, exitCode, reason, message, logPath } = status
  return {
    ...containerSummaryFrom({ ...status, podSandboxId: sandboxId }),
    ...{ startedAt: milliseconds(startedAt), finishedAt: milliseconds(finishedAt), exitCode, reason, message, logPath },
  }
}

export function imageFrom(image: Decoded<typeof ListImagesResponse>['images'][number]): Image {
  const { id, repoTags, repoDigests, size, uid, username } = image
  const user = username !== '' ? { username } : uid ? { uid: uid.value } : {}
  return { id, tags: repoTags, digests: repoDigests, sizeBytes: size, user }
}
