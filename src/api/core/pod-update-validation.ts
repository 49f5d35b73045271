import { deepCopy, deepEqual, ownValue } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import { jsonDifference } from '../../machinery/json-difference.ts'
import type { Faults } from '../field-checks.ts'
import type { Container, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../generated/types.ts'
import { imageFaults } from './container-validation.ts'
import { podAnnotationChangeFaults } from './pod-annotation-validation.ts'

const changeable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
  '`spec.schedulingGates` (only deletions of existing scheduling gates)',
  '`spec.nodeSelector` (only additions, and only while the pod has scheduling gates)',
  '`spec.affinity.nodeAffinity` (only while the pod has scheduling gates)',
]

/** Containers can be neither added nor taken away; undefined if their lists can be compared further. */
function containerListFault(path: string, now: readonly Container[] = [], before: readonly Container[] = []): FieldError | undefined {
  if (now.length === before.length) return undefined
  return forbiddenField(path, 'pod updates may not add or remove containers')
}

function* noImageFaults(path: string, containers: readonly Container[] = []): Faults {
  for (const [index, container] of containers.entries()) {
    if (!container.image) yield required(`${path}[${index}].image`)
    yield* imageFaults(`${path}[${index}]`, container)
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
    if (ownValue(now.nodeSelector, key) === value) continue
    yield invalidValue('spec.nodeSelector', now.nodeSelector, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)')
    return
  }
}

/** Each term may ask for more; an empty one matches nothing, and goes on to. */
function isNarrower(now: NodeSelectorTerm, before: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const
  if (lists.every((list) => !before[list]?.length)) return lists.every((list) => !now[list]?.length)
  return lists.every((list) => deepEqual((now[list] ?? []).slice(0, before[list]?.length ?? 0), before[list] ?? []))
}

function* gatedAffinityFaults(now: PodSpec, before: PodSpec): Faults {
  const termsOf = (spec: PodSpec): NodeSelectorTerm[] | undefined =>
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'
  const old = termsOf(before) ?? []
  const terms = termsOf(now) ?? []
  if (old.length > 0 && old.length !== terms.length) {
    return yield invalidValue(path, termsOf(now), 'no additions/deletions to non-empty NodeSelectorTerms list are allowed')
  }
  for (const [index, term] of old.entries()) {
    if (isNarrower(terms[index] as NodeSelectorTerm, term)) continue
    yield invalidValue(`${path}[${index}]`, terms[index], 'only additions are allowed (no mutations or deletions)')
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

function* changeFaults(now: PodSpec, before: PodSpec): Faults {
  for (const list of ['containers', 'initContainers'] as const) {
    const stop = containerListFault(`spec.${list}`, now[list], before[list])
    if (stop) return yield stop
    yield* noImageFaults(`spec.${list}`, now[list])
  }
  const deadline = [...deadlineFaults(now.activeDeadlineSeconds, before.activeDeadlineSeconds)]
  yield* deadline
  if (deadline.length > 0 && now.activeDeadlineSeconds !== undefined) return
  yield* tolerationFaults(now.tolerations, before.tolerations)
  yield* gateFaults(now, before)
  if (before.schedulingGates?.length) {
    yield* gatedSelectorFaults(now, before)
    yield* gatedAffinityFaults(now, before)
  }
  const rest = withChangeableRestored(now, before)
  if (deepEqual(rest, before)) return
  yield forbiddenField('spec', `pod updates may not change fields other than ${changeable.join(',')}\n${jsonDifference(before, rest)}`)
}

export const validatePodUpdate = (pod: Pod, previous: Pod): FieldError[] => [
  ...podAnnotationChangeFaults(pod.metadata.annotations, previous.metadata.annotations),
  ...changeFaults(pod.spec, previous.spec),
]
