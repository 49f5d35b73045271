/**
 * The container runtime's contract: the part of CRI (k8s.io/cri-api runtime.v1) that the kubelet uses, in plain objects.
 * Two implementations: containerd over gRPC (containerd.ts) and a fake with real semantics (fake-runtime.ts);
 * both pass runtime-contract.ts. Every call throws {@link RuntimeError} on failure; removing or stopping what is already gone succeeds.
 */
export interface ContainerRuntime {
  version(): Promise<{ runtimeName: string; runtimeVersion: string; apiVersion: string }>
  /** Ready conditions as the runtime reports them; `networkReady` is false until a CNI configuration is there. */
  status(): Promise<{ runtimeReady: boolean; networkReady: boolean; reason: string }>

  /**
   * Creates and starts a sandbox: namespaces, cgroup, pause process, network. Answers its id. `handler`: what is to run it, as the
   * runtime's configuration calls it (`runc`); '': whatever runs those that ask for nothing.
   */
  runPodSandbox(config: SandboxConfig, handler?: string): Promise<string>
  stopPodSandbox(sandboxId: string): Promise<void>
  removePodSandbox(sandboxId: string): Promise<void>
  podSandboxStatus(sandboxId: string): Promise<SandboxStatus>
  listPodSandboxes(filter?: { podUid?: string }): Promise<SandboxSummary[]>

  /** Answers the container's id. */
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string>
  startContainer(containerId: string): Promise<void>
  /** Sends the stop signal, waits up to the timeout, then kills. 0 kills at once. */
  stopContainer(containerId: string, timeoutSeconds: number): Promise<void>
  removeContainer(containerId: string): Promise<void>
  containerStatus(containerId: string): Promise<ContainerStatus>
  listContainers(filter?: { podUid?: string }): Promise<ContainerSummary[]>
  updateContainerResources(containerId: string, resources: LinuxResources): Promise<void>
  containerStats(containerId: string): Promise<ContainerStats>
  /** The runtime closes and reopens the container's log file: called after rotation. */
  reopenContainerLog(containerId: string): Promise<void>

  /** Runs a command in a container to its end. Output beyond 1 MiB is cut. Throws {@link RuntimeError} code DeadlineExceeded on timeout. */
  execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array }>
  /** URLs of the runtime's own streaming server (SPDY and WebSocket), for one connection each. */
  exec(request: {
    containerId: string
    command: readonly string[]
    stdin: boolean
    stdout: boolean
    stderr: boolean
    tty: boolean
  }): Promise<{ url: string }>
  attach(request: { containerId: string; stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean }): Promise<{ url: string }>
  portForward(request: { sandboxId: string; ports: readonly number[] }): Promise<{ url: string }>

  imageStatus(image: string): Promise<Image | undefined>
  listImages(): Promise<Image[]>
  pullImage(image: string, auth?: { username: string; password: string } | undefined): Promise<{ imageRef: string }>
  removeImage(image: string): Promise<void>
  imageFsInfo(): Promise<{ mountpoint: string; usedBytes: number; inodesUsed: number }>

  /** Container starts and exits as they happen. Best effort: the kubelet also relists from time to time. Ends with the signal. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>
}

export interface RuntimeEvent {
  /** `lost`: events may have been missed (reconnected): relist everything. */
  readonly type: 'container-started' | 'container-exited' | 'container-removed' | 'oom' | 'lost'
  /** Container or sandbox id; '' with `lost`. */
  readonly id: string
}

export interface SandboxConfig {
  podName: string
  podNamespace: string
  podUid: string
  /** Counts sandboxes of one pod. */
  attempt: number
  hostname: string
  logDirectory: string
  dns: { servers: string[]; searches: string[]; options: string[] }
  portMappings: { protocol: 'TCP' | 'UDP' | 'SCTP'; containerPort: number; hostPort: number; hostIp: string }[]
  labels: Record<string, string>
  annotations: Record<string, string>
  /** Path below the cgroup root, such as /ownkube/burstable/pod<uid>. */
  cgroupParent: string
  hostNetwork: boolean
  hostPid: boolean
  hostIpc: boolean
  shareProcessNamespace: boolean
  sysctls: Record<string, string>
  securityContext: { runAsUser?: number; runAsGroup?: number; supplementalGroups: number[]; privileged: boolean; readonlyRootfs: boolean }
}

export interface Mount {
  containerPath: string
  hostPath: string
  readonly: boolean
  propagation: 'private' | 'host-to-container' | 'bidirectional'
}

/** cpu.cfs quota and period are microseconds, memory bytes; 0 is unlimited. */
export interface LinuxResources {
  cpuPeriod: number
  cpuQuota: number
  cpuShares: number
  memoryLimitBytes: number
  oomScoreAdj: number
}

export interface ContainerConfig {
  name: string
  attempt: number
  image: string
  /** Overrides of the image's entrypoint and arguments; empty keeps the image's. */
  command: string[]
  args: string[]
  workingDir: string
  env: { name: string; value: string }[]
  mounts: Mount[]
  labels: Record<string, string>
  annotations: Record<string, string>
  /** Relative to the sandbox's logDirectory. */
  logPath: string
  stdin: boolean
  stdinOnce: boolean
  tty: boolean
  resources: LinuxResources
  securityContext: {
    runAsUser?: number
    runAsGroup?: number
    runAsUsername?: string
    supplementalGroups: number[]
    privileged: boolean
    readonlyRootfs: boolean
    addCapabilities: string[]
    dropCapabilities: string[]
    noNewPrivileges: boolean
    /** hostPath profiles aside, the two that need no file. */
    seccomp: 'RuntimeDefault' | 'Unconfined'
  }
  /** Namespace choices are the pod's: repeated here because CRI asks for them with each container. Processes may be another container's. */
  pidNamespace: 'container' | 'pod' | 'node' | { containerId: string }
  hostNetwork: boolean
  hostIpc: boolean
}

export type ContainerState = 'created' | 'running' | 'exited' | 'unknown'

export interface SandboxSummary {
  id: string
  podName: string
  podNamespace: string
  podUid: string
  attempt: number
  ready: boolean
  /** Milliseconds since the epoch, as are all times here; 0: not yet. */
  createdAt: number
  labels: Record<string, string>
  annotations: Record<string, string>
}

export interface SandboxStatus extends SandboxSummary {
  /** '' for host-network pods. */
  ip: string
  additionalIps: string[]
}

export interface ContainerSummary {
  id: string
  sandboxId: string
  name: string
  attempt: number
  state: ContainerState
  image: string
  imageRef: string
  createdAt: number
  labels: Record<string, string>
  annotations: Record<string, string>
}

export interface ContainerStatus extends ContainerSummary {
  startedAt: number
  finishedAt: number
  exitCode: number
  /** Completed, Error, OOMKilled, StartError, ... */
  reason: string
  message: string
  /** Absolute. */
  logPath: string
}

export interface ContainerStats {
  id: string
  cpuNanoseconds: number
  memoryWorkingSetBytes: number
  timestamp: number
}

export interface Image {
  /** sha256 of its configuration. */
  id: string
  tags: string[]
  digests: string[]
  sizeBytes: number
  /** What the image says to run as: a number, a name, or neither. */
  user: { uid?: number; username?: string }
}

export class RuntimeError extends Error {
  /** gRPC's name for it: NotFound, DeadlineExceeded, Unavailable, Unknown, ... */
  readonly code: string
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'RuntimeError'
    this.code = code
  }
}
