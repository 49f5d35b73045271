import { forbiddenField, invalidValue } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type { PodSecurityContext, PodSpec, SecurityContext, WindowsSecurityContextOptions } from '../generated/types.ts'
import { eachContainer } from './pod-facts.ts'

/** What a pod may say of Windows, and what it may not say there. Pods for it are stored like others: no node here runs them. */

const maxSpecKiB = 64
const maxDomainLength = 256
const maxUserLength = 104
const netBiosName = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const dnsPart = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const dnsName = new RegExp(`^${dnsPart}(?:\\.${dnsPart})*$`)

function* domainMessages(domain: string): Iterable<string> {
  if (domain.length >= maxDomainLength) yield `runAsUserName's Domain length must be under ${maxDomainLength} characters`
  if (!netBiosName.test(domain) && !dnsName.test(domain)) yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
}

/** `DOMAIN\USER`, or the user alone. */
function* userNameMessages(name: string): Iterable<string> {
  const parts = name.split('\\')
  if (!name) return yield 'runAsUserName cannot be an empty string'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is those that are refused
  if (/[\x00-\x1f\x7f]/.test(name)) return yield 'runAsUserName cannot contain control characters'
  if (parts.length > 2) return yield 'runAsUserName cannot contain more than one backslash'
  const user = parts.at(-1) ?? ''
  if (parts.length === 2) yield* domainMessages(parts[0] ?? '')
  if (!user) yield "runAsUserName's User cannot be empty"
  else if (user.length > maxUserLength) yield `runAsUserName's User length must not be longer than ${maxUserLength} characters`
  if (/^[. ]+$/.test(user)) yield "runAsUserName's User cannot contain only periods or spaces"
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) yield 'runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]'
}

export function* windowsOptionsFaults(path: string, options: WindowsSecurityContextOptions | undefined): Faults {
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options ?? {}
  if (gmsaCredentialSpecName !== undefined) yield* dnsSubdomainFaults(`${path}.gmsaCredentialSpecName`, gmsaCredentialSpecName)
  if (gmsaCredentialSpec === '') {
    yield invalidValue(`${path}.gmsaCredentialSpec`, '', 'gmsaCredentialSpec cannot be an empty string')
  } else if (gmsaCredentialSpec && Buffer.byteLength(gmsaCredentialSpec) > maxSpecKiB * 1024) {
    yield invalidValue(`${path}.gmsaCredentialSpec`, gmsaCredentialSpec, `gmsaCredentialSpec size must be under ${maxSpecKiB} KiB`)
  }
  if (runAsUserName === undefined) return
  for (const message of userNameMessages(runAsUserName)) yield invalidValue(`${path}.runAsUserName`, runAsUserName, message)
}

/** Containers that are processes of the host: all of a pod's or none, in the host's network. */
export function* hostProcessFaults(path: string, spec: PodSpec): Faults {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess
  const containers = [...eachContainer(path, spec)]
  let count = 0
  for (const [at, { securityContext }] of containers) {
    const own = securityContext?.windowsOptions?.hostProcess
    if (ofPod !== undefined && own !== undefined && own !== ofPod) {
      const why = `pod hostProcess value must be identical if both are specified, was ${ofPod}`
      yield invalidValue(`${at}.securityContext.windowsOptions.hostProcess`, own, why)
    }
    if (own ?? ofPod) count++
  }
  if (count === 0) return
  if (count !== containers.length) {
    yield invalidValue(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers')
  }
  if (!spec.hostNetwork) {
    yield invalidValue(`${path}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers')
  }
}

const linuxPodFields: readonly (keyof PodSecurityContext)[] = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
]
const linuxContainerFields: readonly (keyof SecurityContext)[] = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
]

function* linuxFaults(path: string, spec: PodSpec): Faults {
  const why = 'windows options cannot be set for a linux pod'
  if (spec.securityContext?.windowsOptions) yield forbiddenField(`${path}.securityContext.windowsOptions`, why)
  for (const [at, { securityContext }] of eachContainer(path, spec)) {
    if (securityContext?.windowsOptions) yield forbiddenField(`${at}.securityContext.windowsOptions`, why)
  }
}

function* windowsFaults(path: string, spec: PodSpec): Faults {
  const why = 'cannot be set for a windows pod'
  for (const field of linuxPodFields) {
    if (spec.securityContext?.[field] !== undefined) yield forbiddenField(`${path}.securityContext.${field}`, why)
  }
  if (spec.hostUsers !== undefined) yield forbiddenField(`${path}.hostUsers`, why)
  if (spec.hostPID) yield forbiddenField(`${path}.hostPID`, why)
  if (spec.hostIPC) yield forbiddenField(`${path}.hostIPC`, why)
  if (spec.shareProcessNamespace !== undefined) yield forbiddenField(`${path}.shareProcessNamespace`, why)
  for (const [at, { securityContext }] of eachContainer(path, spec)) {
    for (const field of linuxContainerFields) {
      if (securityContext?.[field] !== undefined) yield forbiddenField(`${at}.securityContext.${field}`, why)
    }
  }
}

/** What the pod says of its operating system keeps it from saying things of another. */
export const osFaults = (path: string, spec: PodSpec): Faults =>
  spec.os?.name === 'windows' ? windowsFaults(path, spec) : spec.os?.name === 'linux' ? linuxFaults(path, spec) : []
