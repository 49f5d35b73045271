import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'
import type { AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext } from '../generated/types.ts'

const maxId = 2 ** 32 - 1

/** User and group ids. */
function* idFaults(path: string, id: number | undefined): Faults {
  if (id === undefined || (id >= 0 && id <= maxId)) return
  yield invalidValue(path, id, `must be between 0 and ${maxId}, inclusive`)
}

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined']

function* profileTypeFaults(path: string, type: string): Faults {
  if (!type) yield required(`${path}.type`, 'type is required when seccompProfile is set')
  else if (!profileTypes.includes(type)) yield notSupported(`${path}.type`, type, profileTypes)
}

function* seccompFaults(path: string, profile: SeccompProfile | undefined): Faults {
  if (!profile) return
  yield* profileTypeFaults(path, profile.type)
  const { type, localhostProfile: file } = profile
  if (type === 'Localhost') {
    if (file === undefined) yield required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost')
    else if (file.startsWith('/')) yield invalidValue(`${path}.localhostProfile`, file, 'must be a relative path')
    else if (file.split('/').includes('..')) yield invalidValue(`${path}.localhostProfile`, file, "must not contain '..'")
  } else if (file !== undefined) {
    yield invalidValue(`${path}.localhostProfile`, file, 'can only be set when seccomp type is Localhost')
  }
}

function* appArmorFaults(path: string, profile: AppArmorProfile | undefined): Faults {
  if (!profile) return
  const { type, localhostProfile: name } = profile
  if (!type) yield required(`${path}.type`, 'type is required when appArmorProfile is set')
  else if (!profileTypes.includes(type)) yield notSupported(`${path}.type`, type, profileTypes)
  if (type === 'Localhost') {
    if (!name) yield required(`${path}.localhostProfile`, 'must be set when AppArmor type is Localhost')
    else if (name.trim() !== name) {
      yield invalidValue(`${path}.localhostProfile`, name, 'must not be padded with whitespace')
    }
  } else if (name !== undefined) {
    yield invalidValue(`${path}.localhostProfile`, name, 'can only be set when AppArmor type is Localhost')
  }
}

/** Of a container. `hostUsers` false gives the pod user ids of its own. */
export function* securityContextFaults(path: string, context: SecurityContext | undefined, hostUsers: boolean): Faults {
  if (!context) return
  yield* idFaults(`${path}.runAsUser`, context.runAsUser)
  yield* idFaults(`${path}.runAsGroup`, context.runAsGroup)
  const { procMount } = context
  if (procMount !== undefined && procMount !== 'Default' && procMount !== 'Unmasked') {
    yield notSupported(`${path}.procMount`, procMount, ['Default', 'Unmasked'])
  }
  if (procMount === 'Unmasked' && hostUsers) {
    yield invalidValue(`${path}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`')
  }
  yield* seccompFaults(`${path}.seccompProfile`, context.seccompProfile)
  yield* appArmorFaults(`${path}.appArmorProfile`, context.appArmorProfile)
  if (context.allowPrivilegeEscalation !== false) return
  if (context.privileged) yield invalidValue(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true')
  if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
    yield invalidValue(path, context, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN')
  }
}

const sysctlName = /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/

function* sysctlFaults(path: string, { sysctls = [] }: PodSecurityContext): Faults {
  const seen = new Set<string>()
  for (const [index, { name }] of sysctls.entries()) {
    const at = `${path}[${index}].name`
    if (!name) yield required(at)
    else if (name.length > 253 || !sysctlName.test(name)) {
      yield invalidValue(at, name, `must have at most 253 characters and match regex ${sysctlName.source}`)
    } else if (seen.has(name)) yield duplicate(at, name)
    seen.add(name)
  }
}

const fsGroupPolicies = ['Always', 'OnRootMismatch']
const groupPolicies = ['Merge', 'Strict']

/** Of a pod, with the host's namespaces that it may share. */
export function* podSecurityFaults(path: string, spec: PodSpec): Faults {
  const context = spec.securityContext
  if (!context) return
  const at = `${path}.securityContext`
  yield* idFaults(`${at}.fsGroup`, context.fsGroup)
  yield* idFaults(`${at}.runAsUser`, context.runAsUser)
  yield* idFaults(`${at}.runAsGroup`, context.runAsGroup)
  for (const [index, id] of (context.supplementalGroups ?? []).entries()) yield* idFaults(`${at}.supplementalGroups[${index}]`, id)
  if (spec.shareProcessNamespace && spec.hostPID) {
    yield invalidValue(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled')
  }
  yield* sysctlFaults(`${at}.sysctls`, context)
  const { fsGroupChangePolicy, supplementalGroupsPolicy } = context
  if (fsGroupChangePolicy !== undefined && !fsGroupPolicies.includes(fsGroupChangePolicy)) {
    yield notSupported(`${at}.fsGroupChangePolicy`, fsGroupChangePolicy, fsGroupPolicies)
  }
  if (supplementalGroupsPolicy !== undefined && !groupPolicies.includes(supplementalGroupsPolicy)) {
    yield notSupported(`${at}.supplementalGroupsPolicy`, supplementalGroupsPolicy, groupPolicies)
  }
  yield* seccompFaults(`${at}.seccompProfile`, context.seccompProfile)
  yield* appArmorFaults(`${at}.appArmorProfile`, context.appArmorProfile)
}

/** A pod with user ids of its own cannot share the host's namespaces. */
export function* hostUsersFaults(path: string, spec: PodSpec): Faults {
  if (spec.hostUsers !== false) return
  const why = 'when `hostUsers` is false'
  if (spec.hostNetwork) yield forbiddenField(`${path}.hostNetwork`, why)
  if (spec.hostPID) yield forbiddenField(`${path}.hostPID`, why)
  if (spec.hostIPC) yield forbiddenField(`${path}.hostIPC`, why)
}
