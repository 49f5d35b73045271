import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults, ipFaults, labelsFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { HostAlias, Pod, PodSpec } from '../generated/types.ts'
import { ephemeralContainerFaults, initContainerFaults, mainContainerFaults, type PodContext } from './container-validation.ts'
import { hostNetworkFaults } from './port-validation.ts'
import { resourceFaults } from './resource-validation.ts'
import { affinityFaults, tolerationsFaults, topologySpreadFaults } from './scheduling-validation.ts'
import { hostUsersFaults, podSecurityFaults } from './security-validation.ts'
import { checkVolumes } from './volume-validation.ts'

const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const preemptionPolicies = ['PreemptLowerPriority', 'Never']

function* choiceFaults(path: string, value: string | undefined, choices: readonly string[]): Faults {
  if (!value) yield required(path)
  else if (!choices.includes(value)) yield notSupported(path, value, choices)
}

function* dnsFaults(path: string, { dnsPolicy, dnsConfig }: PodSpec): Faults {
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {}
  if (dnsPolicy === 'None') {
    if (!dnsConfig) return yield required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')
    if (nameservers.length === 0) {
      return yield required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')
    }
  }
  if (nameservers.length > 3) yield invalidValue(`${path}.nameservers`, nameservers, 'must not have more than 3 nameservers')
  for (const [index, ip] of nameservers.entries()) yield* ipFaults(`${path}.nameservers[${index}]`, ip)
  if (searches.length > 32) yield invalidValue(`${path}.searches`, searches, 'must not have more than 32 search paths')
  if (searches.join(' ').length > 2048) {
    yield invalidValue(`${path}.searches`, searches, 'must not have more than 2048 characters (including spaces) in the search list')
  }
  for (const [index, search] of searches.entries()) {
    // Underscores are common in names that are searched, such as _tcp.
    const name = search.replace(/\.$/, '').replaceAll('_', 'a')
    if (search !== '.') for (const fault of dnsSubdomainFaults(`${path}.searches[${index}]`, name)) yield fault
  }
  for (const [index, option] of options.entries()) if (!option.name) yield required(`${path}.options[${index}]`, 'must not be empty')
}

function* hostAliasFaults(path: string, aliases: readonly HostAlias[]): Faults {
  for (const [index, { ip, hostnames = [] }] of aliases.entries()) {
    yield* ipFaults(`${path}[${index}].ip`, ip)
    for (const [position, name] of hostnames.entries()) yield* dnsSubdomainFaults(`${path}[${index}].hostnames[${position}]`, name)
  }
}

function* gateFaults(path: string, spec: PodSpec): Faults {
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    yield* qualifiedNameFaults(`${path}.readinessGates[${index}].conditionType`, gate.conditionType)
  }
  const seen = new Set<string>()
  for (const [index, gate] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${index}]`
    yield* qualifiedNameFaults(at, gate.name)
    if (seen.has(gate.name)) yield duplicate(at, gate.name)
    seen.add(gate.name)
  }
}

/** Names that a pod refers to. */
function* referenceFaults(path: string, spec: PodSpec): Faults {
  for (const field of ['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName'] as const) {
    const name = spec[field]
    if (name) yield* dnsSubdomainFaults(`${path}.${field}`, name)
  }
  for (const field of ['hostname', 'subdomain'] as const) {
    const name = spec[field]
    if (name) yield* dnsLabelFaults(`${path}.${field}`, name)
  }
}

function* lifetimeFaults(path: string, spec: PodSpec): Faults {
  const { activeDeadlineSeconds: deadline } = spec
  if (deadline !== undefined && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    yield invalidValue(`${path}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive')
  }
}

function* placementFaults(path: string, spec: PodSpec): Faults {
  yield* labelsFaults(`${path}.nodeSelector`, spec.nodeSelector)
  if (spec.affinity) yield* affinityFaults(`${path}.affinity`, spec.affinity)
  yield* gateFaults(path, spec)
  yield* topologySpreadFaults(`${path}.topologySpreadConstraints`, spec.topologySpreadConstraints ?? [])
  yield* tolerationsFaults(`${path}.tolerations`, spec.tolerations ?? [])
}

/** Faults of a spec in a pod or in a template; `path` is where it stands. */
export function* podSpecFaults(path: string, spec: PodSpec, isPod: boolean): Faults {
  const { faults, volumes } = checkVolumes(`${path}.volumes`, spec.volumes ?? [])
  const context: PodContext = { spec, volumes, isPod }
  yield* faults
  yield* mainContainerFaults(`${path}.containers`, context)
  yield* initContainerFaults(`${path}.initContainers`, context)
  yield* ephemeralContainerFaults(`${path}.ephemeralContainers`, context)
  yield* resourceFaults(`${path}.resources`, spec.resources)
  yield* hostNetworkFaults(path, spec, isPod)
  yield* choiceFaults(`${path}.restartPolicy`, spec.restartPolicy, restartPolicies)
  yield* choiceFaults(`${path}.dnsPolicy`, spec.dnsPolicy, dnsPolicies)
  yield* podSecurityFaults(path, spec)
  yield* dnsFaults(`${path}.dnsConfig`, spec)
  yield* placementFaults(path, spec)
  yield* hostUsersFaults(path, spec)
  yield* referenceFaults(path, spec)
  yield* lifetimeFaults(path, spec)
  yield* hostAliasFaults(`${path}.hostAliases`, spec.hostAliases ?? [])
  if (spec.preemptionPolicy !== undefined) {
    yield* choiceFaults(`${path}.preemptionPolicy`, spec.preemptionPolicy, preemptionPolicies)
  }
  if (spec.os && !['linux', 'windows'].includes(spec.os.name)) {
    yield spec.os.name ? notSupported(`${path}.os`, spec.os.name, ['linux', 'windows']) : required(`${path}.os.name`)
  }
}

function* tokenVolumeFaults({ spec }: Pod): Faults {
  if (spec.serviceAccountName) return
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    for (const [position, source] of (volume.projected?.sources ?? []).entries()) {
      if (!source.serviceAccountToken) continue
      const at = `spec.volumes[${index}].projected.sources[${position}].serviceAccountToken`
      yield forbiddenField(at, 'must not be specified when serviceAccountName is not set')
    }
  }
}

function* annotationFaults({ metadata, spec }: Pod): Faults {
  const { 'controller.kubernetes.io/pod-deletion-cost': cost, 'kubernetes.io/config.mirror': mirror } = metadata.annotations ?? {}
  if (mirror !== undefined && !spec.nodeName) {
    const at = 'metadata.annotations[kubernetes.io/config.mirror]'
    yield invalidValue(at, mirror, 'must set spec.nodeName if mirror pod annotation is set')
  }
  if (cost === undefined || (/^(0|-?[1-9]\d{0,9})$/.test(cost) && Math.abs(Number(cost)) < 2 ** 31)) return
  yield invalidValue('metadata.annotations[controller.kubernetes.io/pod-deletion-cost]', cost, 'must be a 32bit integer')
}

/** Rules for pods that are not stored yet: those have no version. */
function* creationFaults({ metadata, spec }: Pod): Faults {
  if (metadata.resourceVersion) return
  if (spec.ephemeralContainers?.length) yield forbiddenField('spec.ephemeralContainers', 'cannot be set on create')
  if (spec.nodeName && spec.schedulingGates?.length) {
    yield forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')
  }
}

export function validatePod(pod: Pod): FieldError[] {
  return [...annotationFaults(pod), ...podSpecFaults('spec', pod.spec, true), ...tokenVolumeFaults(pod), ...creationFaults(pod)]
}
