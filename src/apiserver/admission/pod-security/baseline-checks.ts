import { safeSysctls } from '../../../api/core/safe-sysctls.ts'
import type { SELinuxOptions } from '../../../api/generated/types.ts'
import {
  type CheckedPod,
  containersNamed,
  containersOf,
  namesWhere,
  type PodCheck,
  plural,
  quoted,
  settersOf,
  sorted,
  unlessUserNamespace,
  type Violation,
} from './pod-check.ts'
import { procMountViolation } from './proc-mount.ts'
import { appArmorViolation, seccompAnnotationViolation, seccompViolation } from './profiles.ts'

const always = (id: string, check: (pod: CheckedPod) => Violation | undefined): PodCheck => ({
  id,
  level: 'baseline',
  versions: [{ since: 0, check }],
})

const defaultCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(' '),
)

function capabilities(pod: CheckedPod): Violation | undefined {
  const others = (added: readonly string[] = []): string[] => added.filter((one) => !defaultCapabilities.has(one))
  const names = namesWhere(pod, ({ securityContext }) => others(securityContext?.capabilities?.add).length > 0)
  if (names.length === 0) return undefined
  const added = sorted(containersOf(pod).flatMap(({ securityContext }) => others(securityContext?.capabilities?.add)))
  return {
    reason: 'non-default capabilities',
    detail: `${containersNamed(names)} must not include ${quoted(added)} in securityContext.capabilities.add`,
  }
}

function hostNamespaces({ spec }: CheckedPod): Violation | undefined {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field])
  return shared.length > 0 ? { reason: 'host namespaces', detail: shared.map((field) => `${field}=true`).join(', ') } : undefined
}

function hostPathVolumes({ spec }: CheckedPod): Violation | undefined {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name)
  return names.length > 0 ? { reason: 'hostPath volumes', detail: `${plural(names.length, 'volume')} ${quoted(names)}` } : undefined
}

function hostPorts(pod: CheckedPod): Violation | undefined {
  const names = namesWhere(pod, ({ ports }) => (ports ?? []).some(({ hostPort }) => hostPort))
  if (names.length === 0) return undefined
  const ports = sorted(containersOf(pod).flatMap((one) => (one.ports ?? []).flatMap(({ hostPort }) => (hostPort ? [`${hostPort}`] : []))))
  const uses = plural(names.length, 'uses', 'use')
  return { reason: 'hostPort', detail: `${containersNamed(names)} ${uses} ${plural(ports.length, 'hostPort')} ${ports.join(', ')}` }
}

type Container = ReturnType<typeof containersOf>[number]

function hostsOf({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container): string[] {
  const handlers = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
  return handlers.flatMap((one) => [one?.httpGet?.host, one?.tcpSocket?.host].filter((host): host is string => Boolean(host)))
}

function hostProbes(pod: CheckedPod): Violation | undefined {
  const names = sorted(namesWhere(pod, (container) => hostsOf(container).length > 0))
  if (names.length === 0) return undefined
  const hosts = sorted(containersOf(pod).flatMap(hostsOf))
  const uses = plural(names.length, 'uses', 'use')
  return {
    reason: 'probe or lifecycle host',
    detail: `${containersNamed(names)} ${uses} probe or lifecycle ${plural(hosts.length, 'host')} ${quoted(hosts)}`,
  }
}

function privileged(pod: CheckedPod): Violation | undefined {
  const names = namesWhere(pod, ({ securityContext }) => securityContext?.privileged === true)
  if (names.length === 0) return undefined
  return { reason: 'privileged', detail: `${containersNamed(names)} must not set securityContext.privileged=true` }
}

const selinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t']

const seLinux =
  (allowed: readonly string[]) =>
  (pod: CheckedPod): Violation | undefined => {
    const given = [pod.spec, ...containersOf(pod)].flatMap(({ securityContext }) => securityContext?.seLinuxOptions ?? [])
    const isBad = ({ type = '', user, role }: SELinuxOptions): boolean => !allowed.includes(type) || Boolean(user || role)
    const setters = settersOf(pod, ({ seLinuxOptions }) => seLinuxOptions !== undefined && isBad(seLinuxOptions))
    if (!setters) return undefined
    const types = sorted(given.map(({ type = '' }) => type).filter((type) => !allowed.includes(type)))
    const faults = [
      ...(types.length > 0 ? [`${plural(types.length, 'type')} ${quoted(types)}`] : []),
      ...(given.some(({ user }) => user) ? ['user may not be set'] : []),
      ...(given.some(({ role }) => role) ? ['role may not be set'] : []),
    ]
    return { reason: 'seLinuxOptions', detail: `${setters} set forbidden securityContext.seLinuxOptions: ${faults.join('; ')}` }
  }

const sysctls =
  (version: number) =>
  ({ spec }: CheckedPod): Violation | undefined => {
    const names = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !((safeSysctls[name] ?? 99) <= version))
    return names.length > 0 ? { reason: 'forbidden sysctls', detail: names.join(', ') } : undefined
  }

function windowsHostProcess(pod: CheckedPod): Violation | undefined {
  const setters = settersOf(pod, ({ windowsOptions }) => windowsOptions?.hostProcess === true)
  return setters ? { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` } : undefined
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline */
export const baselineChecks: readonly PodCheck[] = [
  always('appArmorProfile', appArmorViolation),
  always('capabilities_baseline', capabilities),
  always('hostNamespaces', hostNamespaces),
  always('hostPathVolumes', hostPathVolumes),
  always('hostPorts', hostPorts),
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [{ since: 34, check: hostProbes }] },
  always('privileged', privileged),
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      { since: 0, check: procMountViolation },
      { since: 35, check: unlessUserNamespace(procMountViolation) },
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      { since: 0, check: seLinux(selinuxTypes) },
      { since: 31, check: seLinux([...selinuxTypes, 'container_engine_t']) },
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    versions: [
      { since: 0, check: seccompAnnotationViolation },
      { since: 19, check: seccompViolation },
    ],
  },
  { id: 'sysctls', level: 'baseline', versions: [0, 27, 29, 32, 37].map((since) => ({ since, check: sysctls(since) })) },
  always('windowsHostProcess', windowsHostProcess),
]
