import { duplicate, forbiddenField, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import { type Faults, localPathFaults, optionalChoiceFaults, userIdFaults } from '../field-checks.ts'
import type { AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl } from '../generated/types.ts'
import { eachContainer } from './pod-facts.ts'
import { windowsOptionsFaults } from './windows-validation.ts'

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined']
/** Of a path, less the zero at its end. */
const maxProfileBytes = 4095

function* seccompFaults(path: string, profile: SeccompProfile | undefined): Faults {
  if (!profile) return
  const { type, localhostProfile: file } = profile
  if (!type) yield required(`${path}.type`, 'type is required when seccompProfile is set')
  else if (!profileTypes.includes(type)) yield notSupported(`${path}.type`, type, profileTypes)
  if (type !== 'Localhost') {
    if (file !== undefined) yield invalidValue(`${path}.localhostProfile`, profile, 'can only be set when seccomp type is Localhost')
  } else if (file === undefined) yield required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost')
  else yield* localPathFaults(`${path}.localhostProfile`, file)
}

function* localAppArmorFaults(path: string, name: string | undefined): Faults {
  if (name === undefined) return yield required(path, 'must be set when AppArmor type is Localhost')
  if (name.trim() !== name) yield invalidValue(path, name, 'must not be padded with whitespace')
  else if (!name) yield required(path, 'must be set when AppArmor type is Localhost')
  if (Buffer.byteLength(name) > maxProfileBytes) yield tooLong(path, maxProfileBytes)
}

export function* appArmorFaults(path: string, profile: AppArmorProfile | undefined): Faults {
  if (!profile) return
  const { type, localhostProfile: name } = profile
  if (type === 'Localhost') yield* localAppArmorFaults(`${path}.localhostProfile`, name)
  else if (!type) yield required(`${path}.type`, 'type is required when appArmorProfile is set')
  else if (!profileTypes.includes(type)) yield notSupported(`${path}.type`, type, profileTypes)
  else if (name !== undefined) yield invalidValue(`${path}.localhostProfile`, name, 'can only be set when AppArmor type is Localhost')
}

/** Of a container. `hostUsers` false gives the pod user ids of its own. */
export function* securityContextFaults(path: string, context: SecurityContext | undefined, hostUsers: boolean): Faults {
  if (!context) return
  yield* userIdFaults(`${path}.runAsUser`, context.runAsUser)
  yield* userIdFaults(`${path}.runAsGroup`, context.runAsGroup)
  const { procMount } = context
  yield* optionalChoiceFaults(`${path}.procMount`, procMount, ['Default', 'Unmasked'])
  if (procMount === 'Unmasked' && hostUsers) {
    yield invalidValue(`${path}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`')
  }
  yield* seccompFaults(`${path}.seccompProfile`, context.seccompProfile)
  yield* escalationFaults(path, context)
  yield* windowsOptionsFaults(`${path}.windowsOptions`, context.windowsOptions)
  yield* appArmorFaults(`${path}.appArmorProfile`, context.appArmorProfile)
}

function* escalationFaults(path: string, context: SecurityContext): Faults {
  if (context.allowPrivilegeEscalation !== false) return
  if (context.privileged) yield invalidValue(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true')
  for (const capability of context.capabilities?.add ?? []) {
    if (capability !== 'CAP_SYS_ADMIN') continue
    yield invalidValue(path, context, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN')
  }
}

const segment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const sysctlPattern = `^(${segment}[\\./])*${segment}$`
const sysctlName = new RegExp(sysctlPattern)
const maxSysctlLength = 253

/** Where a setting lives: those of a namespace that the pod shares with its host would be the host's. */
function* hostSysctlFaults(path: string, name: string, { hostNetwork, hostIPC }: PodSpec): Faults {
  const dotted = name.replaceAll('/', '.')
  const isOfNetwork = dotted.startsWith('net.')
  const isOfIpc = dotted === 'kernel.sem' || ['kernel.shm', 'kernel.msg', 'fs.mqueue.'].some((prefix) => dotted.startsWith(prefix))
  if (hostNetwork && isOfNetwork) yield invalidValue(path, name, "may not be specified when 'hostNetwork' is true")
  else if (hostIPC && isOfIpc) yield invalidValue(path, name, "may not be specified when 'hostIPC' is true")
}

function* sysctlFaults(path: string, sysctls: readonly Sysctl[], spec: PodSpec): Faults {
  const seen = new Set<string>()
  for (const [index, { name }] of sysctls.entries()) {
    const at = `${path}[${index}].name`
    if (!name) yield required(at)
    else if (name.length > maxSysctlLength || !sysctlName.test(name)) {
      yield invalidValue(at, name, `must have at most ${maxSysctlLength} characters and match regex ${sysctlPattern}`)
    } else if (seen.has(name)) yield duplicate(at, name)
    yield* hostSysctlFaults(at, name ?? '', spec)
    seen.add(name)
  }
}

function* idsFaults(at: string, context: PodSecurityContext): Faults {
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) yield* userIdFaults(`${at}.${field}`, context[field])
  for (const [index, id] of (context.supplementalGroups ?? []).entries()) yield* userIdFaults(`${at}.supplementalGroups[${index}]`, id)
}

/** Of a pod, with the host's namespaces that it may share. */
export function* podSecurityFaults(path: string, spec: PodSpec): Faults {
  const context = spec.securityContext
  const at = `${path}.securityContext`
  if (context) {
    yield* idsFaults(at, context)
    yield* sysctlFaults(`${at}.sysctls`, context.sysctls ?? [], spec)
    yield* optionalChoiceFaults(`${at}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'])
    yield* seccompFaults(`${at}.seccompProfile`, context.seccompProfile)
    yield* windowsOptionsFaults(`${at}.windowsOptions`, context.windowsOptions)
    yield* appArmorFaults(`${at}.appArmorProfile`, context.appArmorProfile)
    yield* optionalChoiceFaults(`${at}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict'])
    yield* optionalChoiceFaults(`${at}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['MountOption', 'Recursive'])
  }
  if (spec.shareProcessNamespace && spec.hostPID) {
    yield invalidValue(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled')
  }
}

/** A pod with user ids of its own cannot share the host's namespaces, nor raw devices. */
export function* hostUsersFaults(path: string, spec: PodSpec): Faults {
  if (spec.hostUsers !== false) return
  const why = 'when `hostUsers` is false'
  if (spec.hostNetwork) yield forbiddenField(`${path}.hostNetwork`, why)
  if (spec.hostPID) yield forbiddenField(`${path}.HostPID`, why)
  if (spec.hostIPC) yield forbiddenField(`${path}.HostIPC`, why)
  for (const [at, { volumeDevices }] of eachContainer(path, spec))
    if (volumeDevices?.length) yield forbiddenField(`${at}.volumeDevices`, why)
}
