import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  immutableFaults,
  ipFaults,
  qualifiedNameFaults,
  userIdFaults,
} from '../field-checks.ts'
import type { Container, ContainerStatus, Pod, PodSpec, PodStatus, ResourceStatus } from '../generated/types.ts'
import { mayRestartAll, restartsAfter } from './container-restart.ts'
import { podAnnotationChangeFaults } from './pod-annotation-validation.ts'

const maxUid = 2 ** 32 - 1
const maxHealthMessageBytes = 1024

/** What only the server knows, or has known: clients of before its time leave it out. */
export function prepareStatusUpdate(pod: Pod, previous: Pod): void {
  pod.status ??= {}
  const { status } = pod
  const before = previous.status ?? {}
  if (!status.qosClass && before.qosClass) status.qosClass = before.qosClass
  for (const field of ['resourceClaimStatuses', 'extendedResourceClaimStatus', 'nodeAllocatableResourceClaimStatuses'] as const) {
    if (status[field] === undefined && before[field] !== undefined) Object.assign(status, { [field]: before[field] })
  }
  if (!status.observedGeneration && before.observedGeneration) status.observedGeneration = before.observedGeneration
  // Kubelets of one family know only podIP.
  if (status.podIP && status.podIPs?.[0]?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }]
}

function* conditionFaults({ conditions = [] }: PodStatus): Faults {
  for (const [index, { type, observedGeneration = 0 }] of conditions.entries()) {
    const at = `status.conditions[${index}]`
    if (observedGeneration < 0) yield invalidValue(`${at}.observedGeneration`, observedGeneration, 'must be a non-negative integer')
    if (!['PodScheduled', 'Ready', 'Initialized'].includes(type)) yield* qualifiedNameFaults(`${at}.Type`, type ?? '')
  }
}

function* nominationFaults(status: PodStatus, before: PodStatus, spec: PodSpec): Faults {
  const { nominatedNodeName: name } = status
  if (!name || name === before.nominatedNodeName) return
  yield* dnsSubdomainFaults('status.nominatedNodeName', name)
  if (spec.nodeName) yield forbiddenField('status.nominatedNodeName', 'may not be set on pods that are already bound to a node')
}

/** A container that has ended for good cannot come back to life. */
function* revivalFaults(
  path: string,
  now: readonly ContainerStatus[] = [],
  before: readonly ContainerStatus[] = [],
  mayRevive: (name: string, exitCode: number) => boolean,
): Faults {
  for (const [index, { name, state }] of before.entries()) {
    const ended = state?.terminated
    const lives = now.find((one) => one.name === name && !one.state?.terminated)
    if (!ended || !lives || mayRevive(name, ended.exitCode)) continue
    yield forbiddenField(`${path}[${index}].state`, 'may not be transitioned to non-terminated state')
  }
}

const revives =
  (containers: readonly Container[] = [], spec: PodSpec) =>
  (name: string, exitCode: number): boolean => {
    const container = containers.find((one) => one.name === name)
    return mayRestartAll(spec) || (container !== undefined && restartsAfter(container, spec, exitCode))
  }

function* claimFaults({ resourceClaimStatuses = [], extendedResourceClaimStatus: extended }: PodStatus, spec: PodSpec): Faults {
  const seen = new Set<string>()
  for (const [index, { name, resourceClaimName }] of resourceClaimStatuses.entries()) {
    const at = `status.resourceClaimStatuses[${index}]`
    if (!spec.resourceClaims?.some((claim) => claim.name === name)) {
      yield invalidValue(`${at}.name`, name, 'must match the name of an entry in `spec.resourceClaims`')
    }
    if (seen.has(name)) yield duplicate(`${at}.name`, name)
    seen.add(name)
    if (resourceClaimName !== undefined) yield* dnsSubdomainFaults(`${at}.resourceClaimName`, resourceClaimName)
  }
  if (!extended) return
  const path = 'status.extendedResourceClaimStatus'
  if (!extended.requestMappings?.length) yield required(`${path}.requestMappings`, 'at least one request mapping is required')
  for (const [index, { containerName, resourceName, requestName }] of (extended.requestMappings ?? []).entries()) {
    const at = `${path}.requestMappings[${index}]`
    const container = [...(spec.initContainers ?? []), ...spec.containers].find((one) => one.name === containerName)
    if (!container) {
      yield invalidValue(
        `${at}.containerName`,
        containerName,
        'must match the name of an entry in spec.initContainers.name or spec.containers.name',
      )
    } else if (container.resources?.requests?.[resourceName] === undefined) {
      const why =
        'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests'
      yield invalidValue(`${at}.resourceName`, resourceName, why)
    }
    yield* dnsLabelFaults(`${path}.requestName`, requestName ?? '')
  }
  if (!extended.resourceClaimName) yield required(`${path}.resourceClaimName`)
  else yield* dnsSubdomainFaults(`${path}.resourceClaimName`, extended.resourceClaimName)
}

type Addresses = readonly { readonly ip: string }[] | undefined

/** At most one of each family; the first stands beside the list as well. */
function* addressFaults(path: string, list: Addresses = [], before: Addresses = []): Faults {
  const accepted = before.map(({ ip }) => ip)
  for (const [index, { ip }] of list.entries()) yield* ipFaults(`${path}[${index}]`, ip ?? '', accepted)
  const families = new Set(list.map(({ ip }) => (ip?.includes(':') ? 'IPv6' : 'IPv4')))
  if (list.length > families.size) yield invalidValue(path, list, 'may specify no more than one IP for each IP family')
}

function* addressesFaults(status: PodStatus, before: PodStatus): Faults {
  yield* addressFaults('status.podIPs', status.podIPs, before.podIPs)
  const [first] = status.podIPs ?? []
  if (Boolean(status.podIP) !== Boolean(first)) {
    yield invalidValue('status.podIPs', status.podIPs, 'podIP and podIPs must either both be set or both be unset')
  } else if (first && first.ip !== status.podIP) yield invalidValue('status.podIPs[0].ip', first.ip, 'must be equal to `podIP`')
  const [host] = status.hostIPs ?? []
  if (host && host.ip !== status.hostIP) yield invalidValue('status.hostIPs[0].ip', host.ip, 'must be equal to `hostIP`')
  yield* addressFaults('status.hostIPs', status.hostIPs, before.hostIPs)
}

/** Who a container runs as: the kernel knows more users than a pod may ask for. */
function* userFaults(path: string, { user }: ContainerStatus, os: string): Faults {
  if (!user?.linux) return
  const at = `${path}.user.linux`
  if (os === 'windows') return yield forbiddenField(at, 'cannot be set for a windows pod')
  const { uid, gid, supplementalGroups = [] } = user.linux
  if (!(uid >= 0 && uid <= maxUid)) yield invalidValue(`${at}.uid`, uid, `must be between 0 and ${maxUid}, inclusive`)
  yield* userIdFaults(`${at}.gid`, gid)
  for (const [index, id] of supplementalGroups.entries()) yield* userIdFaults(`${at}.supplementalGroups[${index}]`, id)
}

const healths = ['Healthy', 'Unhealthy', 'Unknown']
const claimRule =
  "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"

function* allocationFaults(path: string, allocated: ResourceStatus, { resources }: Container): Faults {
  const claims = (resources?.claims ?? []).map(({ name, request }) => `claim:${request ? `${name}/${request}` : name}`)
  const isClaim = allocated.name.startsWith('claim:')
  const isKnown = isClaim ? claims.includes(allocated.name) : resources?.requests?.[allocated.name] !== undefined
  if (!isKnown)
    yield invalidValue(`${path}.name`, allocated.name, isClaim ? claimRule : "must match one of the container's resource requests")
  const seen = new Set<string>()
  for (const [index, { health, message, resourceID }] of (allocated.resources ?? []).entries()) {
    const at = `${path}.resources[${index}]`
    if (!healths.includes(health ?? '')) yield notSupported(`${at}.health`, health ?? '', healths)
    if (message === '') yield required(`${at}.message`, 'must be non-empty if specified')
    else if (message && Buffer.byteLength(message) > maxHealthMessageBytes) yield tooLong(`${at}.message`, maxHealthMessageBytes)
    if (seen.has(resourceID)) yield duplicate(`${at}.resourceID`, resourceID)
    seen.add(resourceID)
  }
}

function* containerFaults({ spec, status = {} }: Pod): Faults {
  const lists = [
    ['containerStatuses', spec.containers],
    ['initContainerStatuses', spec.initContainers ?? []],
    ['ephemeralContainerStatuses', undefined],
  ] as const
  for (const [field, containers] of lists) {
    for (const [index, one] of (status[field] ?? []).entries()) {
      const at = `status.${field}[${index}]`
      yield* userFaults(at, one, spec.os?.name ?? 'linux')
      const allocated = one.allocatedResourcesStatus ?? []
      if (!containers && allocated.length > 0) {
        yield forbiddenField(`${at}.allocatedResourcesStatus`, 'must not be specified in container status')
      }
      const container = containers?.find(({ name }) => name === one.name)
      if (!container) continue
      for (const [position, part] of allocated.entries()) {
        yield* allocationFaults(`${at}.allocatedResourcesStatus[${position}]`, part, container)
      }
    }
  }
}

function* statusFaults(pod: Pod, previous: Pod): Faults {
  const { spec, status = {} } = pod
  const before = previous.status ?? {}
  yield* podAnnotationChangeFaults(pod.metadata.annotations, previous.metadata.annotations)
  yield* conditionFaults(status)
  yield* nominationFaults(status, before, previous.spec)
  if ((status.observedGeneration ?? 0) < 0) {
    yield invalidValue('status.observedGeneration', status.observedGeneration, 'must be a non-negative integer')
  }
  yield* immutableFaults('status.qosClass', status.qosClass ?? '', before.qosClass ?? '')
  yield* revivalFaults('status.containerStatuses', status.containerStatuses, before.containerStatuses, revives(spec.containers, spec))
  const init = [status.initContainerStatuses, before.initContainerStatuses] as const
  yield* revivalFaults('status.initContainerStatuses', ...init, revives(spec.initContainers, spec))
  const ephemeral = [status.ephemeralContainerStatuses, before.ephemeralContainerStatuses] as const
  yield* revivalFaults('status.ephemeralContainerStatuses', ...ephemeral, () => false)
  yield* claimFaults(status, spec)
  yield* addressesFaults(status, before)
  yield* containerFaults(pod)
}

export const validatePodStatusUpdate = (pod: Pod, previous: Pod): FieldError[] => [...statusFaults(pod, previous)]
