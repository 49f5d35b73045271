import type { Container, Pod, PodSpec, PodTemplateSpec } from '../generated/types.ts'
import { setContainerDefaults, setRequestDefaults } from './container-defaults.ts'
import { setPodResourcesDefaults } from './pod-resources-defaults.ts'
import { setVolumeDefaults } from './volume-defaults.ts'

function mainContainers(spec: PodSpec): Container[] {
  return [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
}

/** The deprecated `serviceAccount` and its successor always say the same; the successor wins. */
function alignServiceAccountNames(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount
  if (!name) return
  spec.serviceAccountName = name
  spec.serviceAccount = name
}

function setPodSpecDefaults(spec: PodSpec): void {
  spec.restartPolicy ||= 'Always'
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.terminationGracePeriodSeconds ??= 30
  spec.schedulerName ||= 'default-scheduler'
  spec.securityContext ??= {}
  alignServiceAccountNames(spec)
  for (const volume of spec.volumes ?? []) setVolumeDefaults(volume)
  for (const container of mainContainers(spec)) setContainerDefaults(container)
  for (const container of spec.ephemeralContainers ?? []) setContainerDefaults(container)
}

/** Ports of a pod in the host's network are the host's: hostPort follows containerPort. */
function setHostPorts(spec: PodSpec): void {
  for (const container of mainContainers(spec)) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort
}

/** A spec that came without its required parts gets them empty, for validation to name what is missing. */
function completeSpec(owner: { spec?: PodSpec }): PodSpec {
  owner.spec ??= { containers: [] }
  owner.spec.containers ??= []
  return owner.spec
}

export function setPodDefaults(pod: Pod): void {
  const spec = completeSpec(pod)
  for (const container of mainContainers(spec)) setRequestDefaults(container.resources)
  setPodResourcesDefaults(spec)
  spec.enableServiceLinks ??= true
  spec.preemptionPolicy ??= 'PreemptLowerPriority'
  if (!spec.priorityClassName) spec.priority ??= 0
  if (spec.hostNetwork) setHostPorts(spec)
  setPodSpecDefaults(spec)
}

/** Templates get only what stays the same in each of their pods: requests, host ports and service links wait for the pod. */
export function setPodTemplateDefaults(template: PodTemplateSpec): void {
  template.metadata ??= {}
  setPodSpecDefaults(completeSpec(template))
}
