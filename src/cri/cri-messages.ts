/**
 * The part of CRI that we speak, as tables: field numbers are those of k8s.io/cri-api pkg/apis/runtime/v1/api.proto,
 * and of containerd's api/services/events/v1/events.proto and api/events/*.proto for its events.
 */
import {
  bool,
  bytes,
  enumeration,
  int32,
  int64,
  message,
  messages,
  scalars,
  string,
  stringMap,
  uint32,
  uint64,
} from '../machinery/protobuf.ts'

export const PodSandboxState = { ready: 0, notReady: 1 } as const
export const NamespaceMode = { pod: 0, container: 1, node: 2, target: 3 } as const
export const Protocol = { TCP: 0, UDP: 1, SCTP: 2 } as const
export const MountPropagation = { private: 0, 'host-to-container': 1, bidirectional: 2 } as const
export const SeccompProfile = { RuntimeDefault: 0, Unconfined: 1 } as const
/** By number. */
export const containerStates = ['created', 'running', 'exited', 'unknown'] as const

export const Empty = {}
const Int64Value = { value: int64(1) }
const UInt64Value = { value: uint64(1) }
const SecurityProfile = { profileType: enumeration(1), localhostRef: string(2) }
const NamespaceOption = { network: enumeration(1), pid: enumeration(2), ipc: enumeration(3), targetId: string(4) }
const KeyValue = { key: string(1), value: bytes(2) }
const ImageSpec = { image: string(1) }
const PodSandboxMetadata = { name: string(1), uid: string(2), namespace: string(3), attempt: uint32(4) }
const ContainerMetadata = { name: string(1), attempt: uint32(2) }

export const VersionRequest = { version: string(1) }
export const VersionResponse = { version: string(1), runtimeName: string(2), runtimeVersion: string(3), runtimeApiVersion: string(4) }

const RuntimeCondition = { type: string(1), status: bool(2), reason: string(3), message: string(4) }
export const StatusRequest = { verbose: bool(1) }
export const StatusResponse = { status: message(1, { conditions: messages(1, RuntimeCondition) }) }

// ---- sandboxes

const LinuxPodSandboxConfig = {
  cgroupParent: string(1),
  securityContext: message(2, {
    namespaceOptions: message(1, NamespaceOption),
    runAsUser: message(3, Int64Value),
    readonlyRootfs: bool(4),
    supplementalGroups: scalars('int64', 5),
    privileged: bool(6),
    runAsGroup: message(8, Int64Value),
    seccomp: message(9, SecurityProfile),
  }),
  sysctls: stringMap(3),
}
export const PodSandboxConfig = {
  metadata: message(1, PodSandboxMetadata),
  hostname: string(2),
  logDirectory: string(3),
  dnsConfig: message(4, { servers: scalars('string', 1), searches: scalars('string', 2), options: scalars('string', 3) }),
  portMappings: messages(5, { protocol: enumeration(1), containerPort: int32(2), hostPort: int32(3), hostIp: string(4) }),
  labels: stringMap(6),
  annotations: stringMap(7),
  linux: message(8, LinuxPodSandboxConfig),
}
export const RunPodSandboxRequest = { config: message(1, PodSandboxConfig), runtimeHandler: string(2) }
/** StopPodSandboxRequest, RemovePodSandboxRequest, PodSandboxStatusRequest and RunPodSandboxResponse have this shape. */
export const SandboxId = { podSandboxId: string(1) }
export const PodSandboxStatusResponse = {
  status: message(1, {
    id: string(1),
    metadata: message(2, PodSandboxMetadata),
    state: enumeration(3),
    createdAt: int64(4),
    network: message(5, { ip: string(1), additionalIps: messages(2, { ip: string(1) }) }),
    labels: stringMap(7),
    annotations: stringMap(8),
  }),
}
export const ListPodSandboxRequest = { filter: message(1, { id: string(1), labelSelector: stringMap(3) }) }
export const PodSandbox = {
  id: string(1),
  metadata: message(2, PodSandboxMetadata),
  state: enumeration(3),
  createdAt: int64(4),
  labels: stringMap(5),
  annotations: stringMap(6),
}
export const ListPodSandboxResponse = { items: messages(1, PodSandbox) }

// ---- containers

export const LinuxContainerResources = {
  cpuPeriod: int64(1),
  cpuQuota: int64(2),
  cpuShares: int64(3),
  memoryLimitInBytes: int64(4),
  oomScoreAdj: int64(5),
}
const LinuxContainerSecurityContext = {
  capabilities: message(1, { addCapabilities: scalars('string', 1), dropCapabilities: scalars('string', 2) }),
  privileged: bool(2),
  namespaceOptions: message(3, NamespaceOption),
  runAsUser: message(5, Int64Value),
  runAsUsername: string(6),
  readonlyRootfs: bool(7),
  supplementalGroups: scalars('int64', 8),
  noNewPrivs: bool(11),
  runAsGroup: message(12, Int64Value),
  maskedPaths: scalars('string', 13),
  readonlyPaths: scalars('string', 14),
  seccomp: message(15, SecurityProfile),
}
export const ContainerConfigMessage = {
  metadata: message(1, ContainerMetadata),
  image: message(2, ImageSpec),
  command: scalars('string', 3),
  args: scalars('string', 4),
  workingDir: string(5),
  envs: messages(6, KeyValue),
  mounts: messages(7, { containerPath: string(1), hostPath: string(2), readonly: bool(3), propagation: enumeration(5) }),
  labels: stringMap(9),
  annotations: stringMap(10),
  logPath: string(11),
  stdin: bool(12),
  stdinOnce: bool(13),
  tty: bool(14),
  linux: message(15, {
    resources: message(1, LinuxContainerResources),
    securityContext: message(2, LinuxContainerSecurityContext),
  }),
}
export const CreateContainerRequest = {
  podSandboxId: string(1),
  config: message(2, ContainerConfigMessage),
  sandboxConfig: message(3, PodSandboxConfig),
}
/** The shape of most requests for one container, and of CreateContainerResponse. */
export const ContainerId = { containerId: string(1) }
export const StopContainerRequest = { containerId: string(1), timeout: int64(2) }
export const ListContainersRequest = { filter: message(1, { id: string(1), podSandboxId: string(3), labelSelector: stringMap(4) }) }
export const Container = {
  id: string(1),
  podSandboxId: string(2),
  metadata: message(3, ContainerMetadata),
  image: message(4, ImageSpec),
  imageRef: string(5),
  state: enumeration(6),
  createdAt: int64(7),
  labels: stringMap(8),
  annotations: stringMap(9),
}
export const ListContainersResponse = { containers: messages(1, Container) }
export const ContainerStatusResponse = {
  status: message(1, {
    id: string(1),
    metadata: message(2, ContainerMetadata),
    state: enumeration(3),
    createdAt: int64(4),
    startedAt: int64(5),
    finishedAt: int64(6),
    exitCode: int32(7),
    image: message(8, ImageSpec),
    imageRef: string(9),
    reason: string(10),
    message: string(11),
    labels: stringMap(12),
    annotations: stringMap(13),
    logPath: string(15),
  }),
}
export const UpdateContainerResourcesRequest = { containerId: string(1), linux: message(2, LinuxContainerResources) }
export const ContainerStatsResponse = {
  stats: message(1, {
    cpu: message(2, { timestamp: int64(1), usageCoreNanoSeconds: message(2, UInt64Value) }),
    memory: message(3, { timestamp: int64(1), workingSetBytes: message(2, UInt64Value) }),
  }),
}
export const ExecSyncRequest = { containerId: string(1), cmd: scalars('string', 2), timeout: int64(3) }
export const ExecSyncResponse = { stdout: bytes(1), stderr: bytes(2), exitCode: int32(3) }
export const ExecRequest = {
  containerId: string(1),
  cmd: scalars('string', 2),
  tty: bool(3),
  stdin: bool(4),
  stdout: bool(5),
  stderr: bool(6),
}
export const AttachRequest = { containerId: string(1), stdin: bool(2), tty: bool(3), stdout: bool(4), stderr: bool(5) }
export const PortForwardRequest = { podSandboxId: string(1), port: scalars('int32', 2) }
/** ExecResponse, AttachResponse, PortForwardResponse. */
export const StreamUrl = { url: string(1) }

// ---- images

/** ImageStatusRequest, RemoveImageRequest. */
export const ImageRequest = { image: message(1, ImageSpec) }
const ImageMessage = {
  id: string(1),
  repoTags: scalars('string', 2),
  repoDigests: scalars('string', 3),
  size: uint64(4),
  uid: message(5, Int64Value),
  username: string(6),
  pinned: bool(8),
}
export const ImageStatusResponse = { image: message(1, ImageMessage) }
export const ListImagesResponse = { images: messages(1, ImageMessage) }
export const PullImageRequest = { image: message(1, ImageSpec), auth: message(2, { username: string(1), password: string(2) }) }
export const PullImageResponse = { imageRef: string(1) }
export const ImageFsInfoResponse = {
  imageFilesystems: messages(1, {
    fsId: message(2, { mountpoint: string(1) }),
    usedBytes: message(3, UInt64Value),
    inodesUsed: message(4, UInt64Value),
  }),
}

// ---- containerd's own events

export const SubscribeRequest = { filters: scalars('string', 1) }
export const EventEnvelope = { namespace: string(2), topic: string(3), event: message(4, { typeUrl: string(1), value: bytes(2) }) }
/** TaskStart, TaskOOM. */
export const TaskEvent = { containerId: string(1) }
/** `id` is the process': the container's own for its first one, else that of an exec. */
export const TaskExit = { containerId: string(1), id: string(2) }
export const ContainerDelete = { id: string(1) }
