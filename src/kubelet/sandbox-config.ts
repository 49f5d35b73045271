import { join } from 'node:path'
import type { Pod } from '../api/generated/types.ts'
import type { SandboxConfig } from '../cri/runtime.ts'
import { type DnsSources, podDns } from './dns.ts'
import { namespaceOf, podLabels, podLogFolder } from './labels.ts'
import { cgroupParent } from './resources.ts'

export interface SandboxSources extends DnsSources {
  readonly logDir: string
  readonly cgroupRoot: string
  readonly nodeName: string
}

/** The pod's host name: at most 63 characters, without a trailing `-` or `.`. */
export function hostNameOf(pod: Pod): string {
  return (pod.spec.hostnameOverride ?? pod.spec.hostname ?? pod.metadata.name).slice(0, 63).replace(/[-.]+$/, '')
}

/** A pod's sandbox, the same each time: containers repeat it when they are created. */
export function sandboxConfigOf(pod: Pod, attempt: number, sources: SandboxSources): SandboxConfig {
  const { spec } = pod
  const security = spec.securityContext ?? {}
  const hostNetwork = spec.hostNetwork ?? false
  const containers = [...(spec.initContainers ?? []), ...spec.containers]
  return {
    podName: pod.metadata.name,
    podNamespace: namespaceOf(pod),
    podUid: pod.metadata.uid,
    attempt,
    hostname: hostNetwork ? sources.nodeName : hostNameOf(pod),
    logDirectory: join(sources.logDir, podLogFolder(pod)),
    dns: podDns(pod, sources),
    portMappings: hostNetwork
      ? []
      : containers.flatMap(({ ports = [] }) =>
          ports
            .filter(({ hostPort }) => hostPort)
            .map(({ protocol = 'TCP', containerPort, hostPort = 0, hostIP = '' }) => ({
              protocol: protocol as 'TCP' | 'UDP' | 'SCTP',
              containerPort,
              hostPort,
              hostIp: hostIP,
            })),
        ),
    labels: podLabels(pod),
    annotations: { ...pod.metadata.annotations },
    cgroupParent: cgroupParent(sources.cgroupRoot, pod),
    hostNetwork,
    hostPid: spec.hostPID ?? false,
    hostIpc: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    sysctls: Object.fromEntries((security.sysctls ?? []).map(({ name, value }) => [name, value])),
    securityContext: {
      ...(security.runAsUser !== undefined ? { runAsUser: security.runAsUser } : {}),
      ...(security.runAsGroup !== undefined && security.runAsUser !== undefined ? { runAsGroup: security.runAsGroup } : {}),
      supplementalGroups: groupsOf(pod),
      privileged: containers.some(({ securityContext }) => securityContext?.privileged),
      readonlyRootfs: false,
    },
  }
}

export function groupsOf(pod: Pod): number[] {
  const { fsGroup, supplementalGroups = [] } = pod.spec.securityContext ?? {}
  return fsGroup === undefined ? supplementalGroups : [...supplementalGroups, fsGroup]
}
