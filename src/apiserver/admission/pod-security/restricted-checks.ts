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
  unlessWindows,
  type Violation,
} from './pod-check.ts'
import { procMountViolation } from './proc-mount.ts'
import { seccompViolation } from './profiles.ts'

function privilegeEscalation(pod: CheckedPod): Violation | undefined {
  const names = namesWhere(pod, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false)
  if (names.length === 0) return undefined
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersNamed(names)} must set securityContext.allowPrivilegeEscalation=false`,
  }
}

function capabilities(pod: CheckedPod): Violation | undefined {
  const others = (added: readonly string[] = []): string[] => added.filter((one) => one !== 'NET_BIND_SERVICE')
  const keeping = namesWhere(pod, ({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'))
  const adding = namesWhere(pod, ({ securityContext }) => others(securityContext?.capabilities?.add).length > 0)
  const added = sorted(containersOf(pod).flatMap(({ securityContext }) => others(securityContext?.capabilities?.add)))
  const details = [
    ...(keeping.length > 0 ? [`${containersNamed(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0 ? [`${containersNamed(adding)} must not include ${quoted(added)} in securityContext.capabilities.add`] : []),
  ]
  return details.length > 0 ? { reason: 'unrestricted capabilities', detail: details.join('; ') } : undefined
}

const volumeTypes = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim', 'projected', 'secret']

function volumes({ spec }: CheckedPod): Violation | undefined {
  const typeOf = (volume: object): string => Object.keys(volume).find((field) => field !== 'name') ?? 'unknown'
  const bad = (spec.volumes ?? []).filter((volume) => !volumeTypes.includes(typeOf(volume)))
  if (bad.length === 0) return undefined
  const types = sorted(bad.map(typeOf))
  const names = `${plural(bad.length, 'volume')} ${quoted(bad.map(({ name }) => name))}`
  const uses = plural(bad.length, 'uses', 'use')
  return {
    reason: 'restricted volume types',
    detail: `${names} ${uses} ${plural(types.length, 'restricted volume type')} ${quoted(types)}`,
  }
}

function nonRoot(pod: CheckedPod): Violation | undefined {
  const reason = 'runAsNonRoot != true'
  const setters = settersOf(pod, ({ runAsNonRoot }) => runAsNonRoot === false)
  if (setters) return { reason, detail: `${setters} must not set securityContext.runAsNonRoot=false` }
  if (pod.spec.securityContext?.runAsNonRoot) return undefined
  const names = namesWhere(pod, ({ securityContext }) => securityContext?.runAsNonRoot === undefined)
  if (names.length === 0) return undefined
  return { reason, detail: `pod or ${containersNamed(names)} must set securityContext.runAsNonRoot=true` }
}

function notRootUser(pod: CheckedPod): Violation | undefined {
  const setters = settersOf(pod, ({ runAsUser }) => runAsUser === 0)
  return setters ? { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` } : undefined
}

function seccomp(pod: CheckedPod): Violation | undefined {
  const violation = seccompViolation(pod)
  if (violation || pod.spec.securityContext?.seccompProfile) return violation
  const names = namesWhere(pod, ({ securityContext }) => !securityContext?.seccompProfile)
  if (names.length === 0) return undefined
  const types = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
  return { reason: 'seccompProfile', detail: `pod or ${containersNamed(names)} must set ${types}` }
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted */
export const restrictedChecks: readonly PodCheck[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      { since: 8, check: privilegeEscalation },
      { since: 25, check: unlessWindows(privilegeEscalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    replaces: 'capabilities_baseline',
    versions: [
      { since: 22, check: capabilities },
      { since: 25, check: unlessWindows(capabilities) },
    ],
  },
  { id: 'procMount_restricted', level: 'restricted', replaces: 'procMount', versions: [{ since: 35, check: procMountViolation }] },
  { id: 'restrictedVolumes', level: 'restricted', replaces: 'hostPathVolumes', versions: [{ since: 0, check: volumes }] },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      { since: 0, check: nonRoot },
      { since: 35, check: unlessUserNamespace(nonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      { since: 23, check: notRootUser },
      { since: 35, check: unlessUserNamespace(notRootUser) },
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    replaces: 'seccompProfile_baseline',
    versions: [
      { since: 19, check: seccomp },
      { since: 25, check: unlessWindows(seccomp) },
    ],
  },
]
