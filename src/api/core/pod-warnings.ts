import { dnsLabelFaults } from '../../machinery/names.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import { ipWarnings } from '../address-warnings.ts'
import type { Container, ContainerPort, Pod, PodAffinity, PodSpec, PodTemplateSpec } from '../generated/types.ts'
import { nodeLabelDeprecation, nodeTermWarnings } from '../node-label-deprecations.ts'
import { wholeByteWarnings } from '../quantity-checks.ts'
import { claimSpecWarnings } from './persistent-volume-claim-warnings.ts'
import { appArmorPrefix, seccompContainerPrefix, seccompPodAnnotation } from './pod-annotation-validation.ts'
import { eachContainer } from './pod-facts.ts'
import { overlapWarnings } from './volume-warnings.ts'

/** What is sound, but hardly meant: told to whoever made the pod or its template. In upstream's order. */
type Warnings = Iterable<string>

const deadAnnotations = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
] as const

/** Volumes whose drivers have gone. */
const deadVolumes = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
} as const

const nullSelector = 'a null labelSelector results in matching no pod'

function* placementWarnings(path: string, { nodeSelector = {}, affinity, topologySpreadConstraints = [] }: PodSpec): Warnings {
  for (const label of Object.keys(nodeSelector)) {
    const message = nodeLabelDeprecation(label)
    if (message) yield `${path}.nodeSelector[${label}]: ${message}`
  }
  const wanted = affinity?.nodeAffinity
  const at = `${path}.affinity.nodeAffinity`
  for (const [index, term] of (wanted?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []).entries()) {
    const where = `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`
    yield* nodeTermWarnings(where, term, { anyValue: false })
  }
  for (const [index, { preference }] of (wanted?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    yield* nodeTermWarnings(`${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`, preference, { anyValue: true })
  }
  for (const [index, { topologyKey, labelSelector }] of topologySpreadConstraints.entries()) {
    const where = `${path}.topologySpreadConstraints[${index}]`
    const message = nodeLabelDeprecation(topologyKey)
    if (message) yield `${where}.topologyKey: ${topologyKey} is ${message}`
    if (!labelSelector) yield `${where}.labelSelector: ${nullSelector}`
  }
}

function* volumeWarnings(path: string, { volumes = [] }: PodSpec): Warnings {
  for (const [index, volume] of volumes.entries()) {
    for (const [source, message] of Object.entries(deadVolumes)) {
      const shown = source === 'storageos' ? 'storageOS' : source
      if (volume[source as keyof typeof deadVolumes]) yield `${path}.volumes[${index}].${shown}: ${message}`
    }
    const claim = volume.ephemeral?.volumeClaimTemplate?.spec
    if (claim) yield* claimSpecWarnings(`${path}.volumes[${index}].ephemeral.volumeClaimTemplate.spec`, claim)
  }
  yield* overlapWarnings(volumes)
}

function* duplicateWarnings(path: string, field: string, values: readonly string[]): Warnings {
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) < index) yield `${path}[${index}].${field}: duplicate ${field} ${JSON.stringify(value)}`
  }
}

function* listWarnings(path: string, { hostAliases = [], imagePullSecrets = [] }: PodSpec): Warnings {
  yield* duplicateWarnings(
    `${path}.hostAliases`,
    'ip',
    hostAliases.map(({ ip }) => ip),
  )
  const names = imagePullSecrets.map(({ name }) => name ?? '')
  yield* duplicateWarnings(`${path}.imagePullSecrets`, 'name', names)
  for (const [index, name] of names.entries()) if (!name) yield `${path}.imagePullSecrets[${index}].name: invalid empty name ""`
}

/** Variables that come later win, which a later apply of one of them may not keep. */
function* envWarnings(path: string, { env = [] }: Container): Warnings {
  for (const [index, { name, value = '', valueFrom }] of env.entries()) {
    if (env.findIndex((one) => one.name === name) === index) continue
    const reference = `$(${name})`
    const extendsIt = !valueFrom && value !== reference && value.includes(reference)
    if (!extendsIt)
      yield `${path}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`
  }
}

function* containerWarnings(path: string, spec: PodSpec, annotations: Readonly<Record<string, string>>, isTemplate: boolean): Warnings {
  const at = path.replace(/spec$/, 'metadata.annotations')
  const hasKey = (key: string): boolean => annotations[key] !== undefined
  if (!spec.securityContext?.seccompProfile && hasKey(seccompPodAnnotation)) {
    yield `${at}[${seccompPodAnnotation}]: non-functional in v1.27+; use the "seccompProfile" field instead`
  }
  for (const [where, container] of eachContainer(path, spec)) {
    const { name, securityContext, resources } = container
    const seccomp = `${seccompContainerPrefix}${name}`
    if (!securityContext?.seccompProfile && hasKey(seccomp)) {
      yield `${at}[${seccomp}]: non-functional in v1.27+; use the "seccompProfile" field instead`
    }
    const appArmor = `${appArmorPrefix}${name}`
    const hasProfile = spec.securityContext?.appArmorProfile || securityContext?.appArmorProfile
    if (isTemplate && !hasProfile && hasKey(appArmor)) {
      yield `${at}[${appArmor}]: deprecated since v1.30; use the "appArmorProfile" field instead`
    }
    for (const resource of ['memory', 'ephemeral-storage']) {
      for (const list of ['limits', 'requests'] as const) {
        yield* wholeByteWarnings(`${where}.resources.${list}[${resource}]`, resources?.[list]?.[resource])
      }
    }
    yield* envWarnings(where, container)
  }
}

/** As Go prints a struct with its field's names. */
const goPort = ({ name = '', hostPort = 0, containerPort, protocol, hostIP = '' }: ContainerPort): string =>
  `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`

function clash(port: ContainerPort, other: ContainerPort): string | undefined {
  const [hostIP, otherIP] = [port.hostIP ?? '', other.hostIP ?? '']
  const [hostPort, otherPort] = [port.hostPort ?? 0, other.hostPort ?? 0]
  if (hostIP === otherIP && hostPort === otherPort) return 'duplicate'
  if (!hostPort || !otherPort) return 'overlapping'
  return hostPort === otherPort && Boolean(hostIP) !== Boolean(otherIP) ? 'dangerously ambiguous' : undefined
}

function* portWarnings(path: string, spec: PodSpec): Warnings {
  const ports = [...eachContainer(path, spec)].flatMap(([at, container]) =>
    (container.ports ?? []).map((port, index) => ({ at: `${at}.ports[${index}]`, port })),
  )
  for (const [index, { at, port }] of ports.entries()) {
    if (port.hostIP && !port.hostPort) yield `${at}: hostIP set without hostPort: ${goPort(port)}`
    for (const other of ports.slice(0, index)) {
      if (other.port.containerPort !== port.containerPort || other.port.protocol !== port.protocol) continue
      const how = clash(port, other.port)
      if (how) yield `${at}: ${how} port definition with ${other.at}`
    }
  }
  for (const [index, { at, port }] of ports.entries()) {
    const first = ports.findIndex((one) => one.port.name === port.name)
    if (!port.name || first === index) continue
    const other = ports[first]?.at
    const why = `services and probes that select ports by name will use ${other}`
    yield `${at}: duplicate port name ${JSON.stringify(port.name)} with ${other}, ${why}`
  }
}

function* podAffinityWarnings(path: string, affinity: PodAffinity | undefined): Warnings {
  for (const [index, { labelSelector }] of (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    if (!labelSelector) yield `${path}.requiredDuringSchedulingIgnoredDuringExecution[${index}].labelSelector: ${nullSelector}`
  }
  for (const [index, { podAffinityTerm }] of (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    if (podAffinityTerm.labelSelector) continue
    yield `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm.labelSelector: ${nullSelector}`
  }
}

function* addressWarnings(path: string, { dnsConfig, hostAliases = [] }: PodSpec): Warnings {
  for (const [index, server] of (dnsConfig?.nameservers ?? []).entries())
    yield* ipWarnings(`${path}.dnsConfig.nameservers[${index}]`, server)
  for (const [index, { ip }] of hostAliases.entries()) yield* ipWarnings(`${path}.hostAliases[${index}].ip`, ip)
}

/** `owner` is where metadata and spec stand: empty for a pod. */
function* specWarnings(owner: string, metadata: Partial<ObjectMeta>, spec: PodSpec): Warnings {
  const isTemplate = owner !== ''
  const path = isTemplate ? `${owner}.spec` : 'spec'
  const annotations = metadata.annotations ?? {}
  yield* placementWarnings(path, spec)
  for (const [key, message] of deadAnnotations) {
    if (annotations[key] !== undefined) yield `${isTemplate ? `${owner}.` : ''}metadata.annotations[${key}]: ${message}`
  }
  yield* volumeWarnings(path, spec)
  yield* listWarnings(path, spec)
  for (const resource of ['memory', 'ephemeral-storage']) {
    yield* wholeByteWarnings(`${path}.overhead[${resource}]`, spec.overhead?.[resource])
  }
  yield* containerWarnings(path, spec, annotations, isTemplate)
  yield* portWarnings(path, spec)
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    yield `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`
  }
  yield* podAffinityWarnings(`${path}.affinity.podAffinity`, spec.affinity?.podAffinity)
  yield* podAffinityWarnings(`${path}.affinity.podAntiAffinity`, spec.affinity?.podAntiAffinity)
  yield* addressWarnings(path, spec)
}

/** Of a new pod; changes are made by programs, which nobody warns. */
export function podWarnings({ metadata, spec }: Pod, previous: Pod | undefined): string[] {
  if (previous) return []
  const faults = dnsLabelFaults(metadata.name)
  const hostname = `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${faults.join(' ')}]`
  return [...(faults.length > 0 ? [hostname] : []), ...specWarnings('', metadata, spec)]
}

export const templateWarnings = (path: string, template: PodTemplateSpec | undefined): string[] =>
  template?.spec ? [...specWarnings(path, template.metadata ?? {}, template.spec)] : []
