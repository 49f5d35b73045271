import {
  duplicate,
  type FieldError,
  fieldNotFound,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooLong,
} from '../../machinery/field-error.ts'
import {
  choiceFaults,
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  ipFaults,
  labelsFaults,
  nonNegativeFaults,
  qualifiedNameFaults,
  underscoredSubdomainFaults,
} from '../field-checks.ts'
import type { HostAlias, Pod, PodResourceClaim, PodSpec } from '../generated/types.ts'
import { ephemeralContainerFaults, imageFaults, initContainerFaults, mainContainerFaults, type PodContext } from './container-validation.ts'
import { mirrorAnnotation, podAnnotationFaults, profileMatchFaults } from './pod-annotation-validation.ts'
import { eachContainer } from './pod-facts.ts'
import { podResourcesFaults } from './pod-resources-validation.ts'
import { hostNetworkFaults } from './port-validation.ts'
import { resourceFaults } from './resource-validation.ts'
import { affinityFaults, tolerationsFaults, topologySpreadFaults } from './scheduling-validation.ts'
import { hostUsersFaults, podSecurityFaults } from './security-validation.ts'
import { checkVolumes } from './volume-validation.ts'
import { hostProcessFaults, osFaults } from './windows-validation.ts'

const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const preemptionPolicies = ['PreemptLowerPriority', 'Never']
const maxSearchLength = 2048
const maxHostnameLength = 64

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
  if (searches.join(' ').length > maxSearchLength) {
    const why = `must not have more than ${maxSearchLength} characters (including spaces) in the search list`
    yield invalidValue(`${path}.searches`, searches, why)
  }
  for (const [index, search] of searches.entries()) {
    if (search !== '.') yield* underscoredSubdomainFaults(`${path}.searches[${index}]`, search.replace(/\.$/, ''))
  }
  for (const [index, option] of options.entries()) if (!option.name) yield required(`${path}.options[${index}]`, 'must not be empty')
}

function* hostAliasFaults(path: string, aliases: readonly HostAlias[]): Faults {
  for (const [index, { ip, hostnames = [] }] of aliases.entries()) {
    yield* ipFaults(`${path}[${index}].ip`, ip ?? '')
    for (const [position, name] of hostnames.entries()) yield* dnsSubdomainFaults(`${path}[${index}].hostnames[${position}]`, name)
  }
}

function* gateFaults(path: string, spec: PodSpec): Faults {
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    yield* qualifiedNameFaults(`${path}.readinessGates[${index}].conditionType`, gate.conditionType ?? '')
  }
  const seen = new Set<string>()
  for (const [index, gate] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${index}]`
    yield* qualifiedNameFaults(at, gate.name ?? '')
    if (seen.has(gate.name)) yield duplicate(at, gate.name)
    seen.add(gate.name)
  }
}

const claimSources = ['resourceClaimName', 'resourceClaimTemplateName'] as const

function* claimFaults(path: string, claim: PodResourceClaim, seen: Set<string>): Faults {
  if (!claim.name) yield required(`${path}.name`)
  else if (seen.has(claim.name)) yield duplicate(`${path}.name`, claim.name)
  else yield* dnsLabelFaults(`${path}.name`, claim.name)
  seen.add(claim.name)
  const given = claimSources.filter((field) => claim[field] !== undefined)
  const names = claimSources.map((field) => `\`${field}\``)
  if (given.length > 1) yield invalidValue(path, claim, `at most one of ${names.join(' or ')} may be specified`)
  if (given.length === 0) yield invalidValue(path, claim, `must specify one of: ${names.join(', ')}`)
  for (const field of given) yield* dnsSubdomainFaults(`${path}.${field}`, claim[field] as string)
}

function* claimsFaults(path: string, { resourceClaims = [] }: PodSpec): Faults {
  const seen = new Set<string>()
  for (const [index, claim] of resourceClaims.entries()) yield* claimFaults(`${path}.resourceClaims[${index}]`, claim, seen)
}

/** A name of its own choice, against the host's name or one with the cluster's domain. */
function* hostnameOverrideFaults(path: string, { hostnameOverride: name, setHostnameAsFQDN, hostNetwork }: PodSpec): Faults {
  if (name === undefined) return
  if (setHostnameAsFQDN) yield forbiddenField(path, 'may not be specified when setHostnameAsFQDN is true')
  if (hostNetwork) yield forbiddenField(path, 'may not be specified when hostNetwork is true')
  if (name.length > maxHostnameLength) yield tooLong(path, maxHostnameLength)
  yield* dnsSubdomainFaults(path, name)
}

/** Names that a pod has, or refers to. */
function* nameFaults(path: string, spec: PodSpec): Faults {
  yield* hostnameOverrideFaults(`${path}.hostnameOverride`, spec)
  for (const field of ['serviceAccountName', 'nodeName'] as const)
    if (spec[field]) yield* dnsSubdomainFaults(`${path}.${field}`, spec[field])
  yield* deadlineFaults(`${path}.activeDeadlineSeconds`, spec.activeDeadlineSeconds)
  for (const field of ['hostname', 'subdomain'] as const) if (spec[field]) yield* dnsLabelFaults(`${path}.${field}`, spec[field])
}

function* deadlineFaults(path: string, deadline: number | undefined): Faults {
  if (deadline === undefined || (deadline >= 1 && deadline <= 2 ** 31 - 1)) return
  yield invalidValue(path, deadline, 'must be between 1 and 2147483647, inclusive')
}

function* classFaults(path: string, spec: PodSpec): Faults {
  if (spec.priorityClassName) yield* dnsSubdomainFaults(`${path}.priorityClassName`, spec.priorityClassName)
  if (spec.runtimeClassName !== undefined) yield* dnsSubdomainFaults(`${path}.runtimeClassName`, spec.runtimeClassName)
  if (spec.preemptionPolicy !== undefined) {
    yield* choiceFaults(`${path}.preemptionPolicy`, spec.preemptionPolicy, preemptionPolicies)
  }
  if (spec.overhead) yield* resourceFaults(`${path}.overhead`, { limits: spec.overhead }, [])
}

function* osNameFaults(path: string, spec: PodSpec): Faults {
  if (!spec.os) return
  if (!spec.os.name) yield required(`${path}.os.name`)
  else if (spec.os.name !== 'linux' && spec.os.name !== 'windows') yield notSupported(`${path}.os`, spec.os.name, ['linux', 'windows'])
  else yield* osFaults(path, spec)
}

/** Variables from a file are read from a volume that the pod's containers share. */
function* fileVolumeFaults(path: string, spec: PodSpec): Faults {
  for (const [at, { env = [] }] of eachContainer(path, spec)) {
    for (const [index, { valueFrom }] of env.entries()) {
      if (!valueFrom?.fileKeyRef) continue
      const { volumeName } = valueFrom.fileKeyRef
      const where = `${at}.env[${index}].valueFrom.fileKeyRef.volumeName`
      const volume = spec.volumes?.find(({ name }) => name === volumeName)
      if (!volume) yield fieldNotFound(where, volumeName ?? '')
      else if (!volume.emptyDir) yield invalidValue(where, volumeName, 'referenced volume must be of type emptyDir')
    }
  }
}

function* groupFaults(path: string, { schedulingGroup: group, evictionResponders = [] }: PodSpec): Faults {
  if (!group) return
  if (group.podGroupName === undefined) yield invalidValue(`${path}.podGroupName`, null, 'must specify one of: `podGroupName`')
  else yield* dnsSubdomainFaults(`${path}.podGroupName`, group.podGroupName)
  if (evictionResponders.length > 0) yield forbiddenField(path, 'may not be set when evictionResponders is set')
}

function* placementFaults(path: string, spec: PodSpec): Faults {
  if (spec.affinity) yield* affinityFaults(`${path}.affinity`, spec.affinity)
  yield* dnsFaults(`${path}.dnsConfig`, spec)
  yield* gateFaults(path, spec)
  yield* topologySpreadFaults(`${path}.topologySpreadConstraints`, spec.topologySpreadConstraints ?? [])
}

/**
 * Faults of a spec in a pod or in a template, in upstream's order; `path` is where it stands. `pod` is the pod's metadata:
 * a template's pods have names yet to come, and are looked at less closely in a few old respects.
 */
export function* podSpecFaults(path: string, spec: PodSpec, pod?: { readonly name: string }): Faults {
  if (spec.terminationGracePeriodSeconds === undefined) yield required(`${path}.terminationGracePeriodSeconds`)
  const { faults, volumes } = checkVolumes(`${path}.volumes`, spec.volumes ?? [], pod?.name)
  yield* faults
  yield* claimsFaults(path, spec)
  const context: PodContext = { spec, volumes }
  yield* mainContainerFaults(`${path}.containers`, context)
  yield* initContainerFaults(`${path}.initContainers`, context)
  yield* ephemeralContainerFaults(`${path}.ephemeralContainers`, context)
  yield* podResourcesFaults(`${path}.resources`, spec)
  yield* hostNetworkFaults(path, spec, pod !== undefined)
  yield* choiceFaults(`${path}.restartPolicy`, spec.restartPolicy, restartPolicies)
  yield* choiceFaults(`${path}.dnsPolicy`, spec.dnsPolicy, dnsPolicies)
  yield* labelsFaults(`${path}.nodeSelector`, spec.nodeSelector)
  yield* podSecurityFaults(path, spec)
  yield* placementFaults(path, spec)
  yield* hostProcessFaults(path, spec)
  yield* hostUsersFaults(path, spec)
  yield* nameFaults(path, spec)
  yield* tolerationsFaults(`${path}.tolerations`, spec.tolerations ?? [])
  yield* hostAliasFaults(`${path}.hostAliases`, spec.hostAliases ?? [])
  yield* classFaults(path, spec)
  yield* osNameFaults(path, spec)
  yield* groupFaults(`${path}.schedulingGroup`, spec)
  yield* fileVolumeFaults(path, spec)
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

/** Rules for pods that are not stored yet: those have no version. */
function* creationFaults({ metadata, spec }: Pod): Faults {
  if (metadata.resourceVersion) return
  if (spec.ephemeralContainers?.length) yield forbiddenField('spec.ephemeralContainers', 'cannot be set on create')
  if (spec.nodeName && spec.schedulingGates?.length) {
    yield forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')
  }
  yield* profileMatchFaults('spec', metadata, spec)
}

function* podFaults(pod: Pod): Faults {
  const { metadata, spec } = pod
  yield* podAnnotationFaults('metadata.annotations', metadata.annotations, spec)
  if (spec.resourceClaims?.length && metadata.annotations?.[mirrorAnnotation] !== undefined) {
    yield forbiddenField('', 'static pods do not support resource claims')
  }
  yield* podSpecFaults('spec', spec, metadata)
  yield* tokenVolumeFaults(pod)
  yield* nonNegativeFaults('spec.terminationGracePeriodSeconds', spec.terminationGracePeriodSeconds)
  for (const [index, container] of spec.containers.entries()) yield* imageFaults(`spec.containers[${index}]`, container)
  for (const [index, container] of (spec.initContainers ?? []).entries()) yield* imageFaults(`spec.initContainers[${index}]`, container)
  yield* creationFaults(pod)
}

export const validatePod = (pod: Pod): FieldError[] => [...podFaults(pod)]
