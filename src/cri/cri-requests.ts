/** From the contract's plain objects to CRI's messages. */

import type { Encodable } from '../machinery/protobuf.ts'
import {
  type ContainerConfigMessage,
  type LinuxContainerResources,
  MountPropagation,
  NamespaceMode,
  type PodSandboxConfig,
  Protocol,
  SeccompProfile,
} from './cri-messages.ts'
import type { ContainerConfig, LinuxResources, SandboxConfig } from './runtime.ts'

/** The labels by which every Kubernetes tool finds a pod's sandboxes and containers; set here, and filtered by. */
export const podUidLabel = 'io.kubernetes.pod.uid'

function podLabels(sandbox: SandboxConfig): Record<string, string> {
  return {
    'io.kubernetes.pod.name': sandbox.podName,
    'io.kubernetes.pod.namespace': sandbox.podNamespace,
    [podUidLabel]: sandbox.podUid,
  }
}

/** Kernel files that an unprivileged container must not see or change: upstream's defaults for `procMount: Default`. */
const maskedPaths = [
  ...['/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list'],
  ...['/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap'],
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

const boxed = (value: number | undefined): { value: number } | undefined => (value === undefined ? undefined : { value })

export function sandboxMessage(config: SandboxConfig): Encodable<typeof PodSandboxConfig> {
  const { securityContext } = config
  return {
    metadata: { name: config.podName, uid: config.podUid, namespace: config.podNamespace, attempt: config.attempt },
    hostname: config.hostNetwork ? '' : config.hostname,
    logDirectory: config.logDirectory,
    dnsConfig: config.dns,
    portMappings: config.portMappings
      .filter(({ hostPort }) => hostPort > 0)
      .map(({ protocol, containerPort, hostPort, hostIp }) => ({ protocol: Protocol[protocol], containerPort, hostPort, hostIp })),
    labels: { ...config.labels, ...podLabels(config) },
    annotations: config.annotations,
    linux: {
      cgroupParent: config.cgroupParent,
      sysctls: config.sysctls,
      securityContext: {
        namespaceOptions: {
          network: config.hostNetwork ? NamespaceMode.node : NamespaceMode.pod,
          pid: config.hostPid ? NamespaceMode.node : config.shareProcessNamespace ? NamespaceMode.pod : NamespaceMode.container,
          ipc: config.hostIpc ? NamespaceMode.node : NamespaceMode.pod,
        },
        runAsUser: boxed(securityContext.runAsUser),
        runAsGroup: boxed(securityContext.runAsUser === undefined ? undefined : securityContext.runAsGroup),
        supplementalGroups: securityContext.supplementalGroups,
        privileged: securityContext.privileged,
        readonlyRootfs: securityContext.readonlyRootfs,
        seccomp: { profileType: securityContext.privileged ? SeccompProfile.Unconfined : SeccompProfile.RuntimeDefault },
      },
    },
  }
}

export function resourcesMessage(resources: LinuxResources): Encodable<typeof LinuxContainerResources> {
  const { cpuPeriod, cpuQuota, cpuShares, memoryLimitBytes, oomScoreAdj } = resources
  return { cpuPeriod, cpuQuota, cpuShares, memoryLimitInBytes: memoryLimitBytes, oomScoreAdj }
}

function pidNamespaceOf(pid: ContainerConfig['pidNamespace']): { pid: number; targetId?: string } {
  return typeof pid === 'string' ? { pid: NamespaceMode[pid] } : { pid: NamespaceMode.target, targetId: pid.containerId }
}

export function containerMessage(config: ContainerConfig, sandbox: SandboxConfig): Encodable<typeof ContainerConfigMessage> {
  const { name, attempt, command, args, workingDir, annotations, logPath, stdin, stdinOnce, tty, securityContext } = config
  const { privileged, readonlyRootfs, supplementalGroups, noNewPrivileges, addCapabilities, dropCapabilities } = securityContext
  return {
    metadata: { name, attempt },
    image: { image: config.image },
    ...{ command, args, workingDir, annotations, logPath, stdin, stdinOnce, tty },
    envs: config.env.map(({ name: key, value }) => ({ key, value: Buffer.from(value) })),
    mounts: config.mounts.map(({ containerPath, hostPath, readonly, propagation }) => ({
      ...{ containerPath, hostPath, readonly },
      propagation: MountPropagation[propagation],
    })),
    labels: { ...config.labels, ...podLabels(sandbox), 'io.kubernetes.container.name': name },
    linux: {
      resources: resourcesMessage(config.resources),
      securityContext: {
        capabilities: { addCapabilities, dropCapabilities },
        namespaceOptions: {
          network: config.hostNetwork ? NamespaceMode.node : NamespaceMode.pod,
          ...pidNamespaceOf(config.pidNamespace),
          ipc: config.hostIpc ? NamespaceMode.node : NamespaceMode.pod,
        },
        runAsUser: boxed(securityContext.runAsUser),
        runAsGroup: boxed(securityContext.runAsGroup),
        runAsUsername: securityContext.runAsUser === undefined ? securityContext.runAsUsername : undefined,
        ...{ privileged, readonlyRootfs, supplementalGroups, noNewPrivs: noNewPrivileges },
        maskedPaths: privileged ? [] : maskedPaths,
        readonlyPaths: privileged ? [] : readonlyPaths,
        seccomp: { profileType: privileged ? SeccompProfile.Unconfined : SeccompProfile[securityContext.seccomp] },
      },
    },
  }
}
