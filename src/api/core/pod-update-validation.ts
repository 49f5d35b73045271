import { deepCopy, deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { Container, ContainerStatus, Pod, PodSpec, Toleration } from '../generated/types.ts'

const changeable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
]

/** Containers can be neither added nor taken away; undefined if their lists can be compared further. */
function containerListFault(path: string, now: readonly Container[] = [], before: readonly Container[] = []): FieldError | undefined {
  if (now.length === before.length) return undefined
  return forbiddenField(path, 'pod updates may not add or remove containers')
}

function* imageFaults(path: string, containers: readonly Container[] = []): Faults {
  for (const [index, { image }] of containers.entries()) {
    if (image) continue
    yield required(`${path}[${index}].image`)
  }
}

/** A deadline may be set once and then only come nearer. */
function* deadlineFaults(now: number | undefined, before: number | undefined): Faults {
  const path = 'spec.activeDeadlineSeconds'
  if (now === undefined) {
    if (before !== undefined) yield invalidValue(path, null, 'must not update from a positive integer to nil value')
  } else if (now < 0 || now > 2 ** 31 - 1) yield invalidValue(path, now, 'must be between 0 and 2147483647, inclusive')
  else if (before !== undefined && before < now) yield invalidValue(path, now, 'must be less than or equal to previous value')
}

function* tolerationFaults(now: readonly Toleration[] = [], before: readonly Toleration[] = []): Faults {
  const withoutSeconds = ({ tolerationSeconds: _, ...rest }: Toleration) => rest
  const isKept = (old: Toleration) => now.some((one) => deepEqual(withoutSeconds(old), withoutSeconds(one)))
  if (before.every(isKept)) return
  yield forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')
}

function* gateFaults(now: PodSpec, before: PodSpec): Faults {
  const known = new Set((before.schedulingGates ?? []).map((gate) => gate.name))
  for (const [index, { name }] of (now.schedulingGates ?? []).entries()) {
    if (known.has(name)) continue
    yield forbiddenField(`spec.schedulingGates[${index}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`)
  }
}

/** While gates hold a pod back, it may still be narrowed to fewer nodes. */
function* gatedSelectorFaults(now: PodSpec, before: PodSpec): Faults {
  for (const [key, value] of Object.entries(before.nodeSelector ?? {})) {
    if (now.nodeSelector?.[key] === value) continue
    yield invalidValue('spec.nodeSelector', now.nodeSelector, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)')
    return
  }
}

/** `now` with everything that may change put back: what then still differs was not allowed. */
function withChangeableRestored(now: PodSpec, before: PodSpec): PodSpec {
  const spec = deepCopy(now)
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (spec[list] ?? []).entries()) container.image = before[list]?.[index]?.image
  }
  spec.activeDeadlineSeconds = before.activeDeadlineSeconds
  spec.tolerations = before.tolerations
  spec.schedulingGates = before.schedulingGates
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) {
    spec.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds
  }
  if (before.schedulingGates?.length) {
    spec.nodeSelector = before.nodeSelector
    if (spec.affinity || before.affinity) spec.affinity = { ...spec.affinity, nodeAffinity: before.affinity?.nodeAffinity }
    if (!before.affinity && Object.values(spec.affinity ?? {}).every((part) => part === undefined)) delete spec.affinity
  }
  return spec
}

/** One line a field: `-` what was stored, `+` what was asked for. */
function differenceText(before: PodSpec, now: PodSpec): string {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort() as (keyof PodSpec)[]
  const changed = keys.filter((key) => !deepEqual(before[key], now[key]))
  return changed.map((key) => `- ${key}: ${JSON.stringify(before[key]) ?? ''}\n+ ${key}: ${JSON.stringify(now[key]) ?? ''}\n`).join('')
}

export function validatePodUpdate(pod: Pod, previous: Pod): FieldError[] {
  const now = pod.spec
  const before = previous.spec
  const stop =
    containerListFault('spec.containers', now.containers, before.containers) ??
    containerListFault('spec.initContainers', now.initContainers, before.initContainers)
  if (stop) return [stop]
  const faults = [
    ...imageFaults('spec.containers', now.containers),
    ...imageFaults('spec.initContainers', now.initContainers),
    ...deadlineFaults(now.activeDeadlineSeconds, before.activeDeadlineSeconds),
    ...tolerationFaults(now.tolerations, before.tolerations),
    ...gateFaults(now, before),
    ...(before.schedulingGates?.length ? gatedSelectorFaults(now, before) : []),
  ]
  const rest = withChangeableRestored(now, before)
  if (!deepEqual(rest, before)) {
    const message = `pod updates may not change fields other than ${changeable.join(',')}\n${differenceText(before, rest)}`
    faults.push(forbiddenField('spec', message))
  }
  return faults
}

/** A container that has ended for good cannot come back to life. */
function* revivalFaults(
  path: string,
  now: readonly ContainerStatus[] = [],
  before: readonly ContainerStatus[] = [],
  spec: PodSpec,
): Faults {
  if (spec.restartPolicy === 'Always') return
  const sidecars = new Set((spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always').map((one) => one.name))
  for (const [index, { name, state }] of before.entries()) {
    const ended = state?.terminated
    if (!ended || sidecars.has(name) || (ended.exitCode !== 0 && spec.restartPolicy === 'OnFailure')) continue
    if (now.some((one) => one.name === name && !one.state?.terminated)) {
      yield forbiddenField(`${path}[${index}].state`, 'may not be transitioned to non-terminated state')
    }
  }
}

export function validatePodStatusUpdate({ spec, status = {} }: Pod, previous: Pod): FieldError[] {
  const before = previous.status ?? {}
  const nominated = status.nominatedNodeName
  return [
    ...(nominated && nominated !== before.nominatedNodeName ? dnsSubdomainFaults('status.nominatedNodeName', nominated) : []),
    ...(before.qosClass && status.qosClass ? immutableFaults('status.qosClass', status.qosClass, before.qosClass) : []),
    ...revivalFaults('status.containerStatuses', status.containerStatuses, before.containerStatuses, spec),
    ...revivalFaults('status.initContainerStatuses', status.initContainerStatuses, before.initContainerStatuses, spec),
  ]
}
