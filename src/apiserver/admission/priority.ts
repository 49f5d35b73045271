import type { Pod, PriorityClass } from '../../api/generated/types.ts'
import { priorityClasses } from '../../api/registry.ts'
import { forbidden } from '../../machinery/status.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, isOf, isPod } from './plugin.ts'

/** Resolves a pod's PriorityClass to its number and policy, and keeps the global default one. */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  admit(request, facts) {
    if (!isPod(request)) return
    if (request.operation === 'create') setPriority(request, facts)
    if (request.operation === 'update') keepPriority(request.object as Pod, request.previous as Pod)
  },
  validate(request, facts) {
    if (request.operation !== 'delete' && isOf(request, priorityClasses)) checkSingleDefault(request, facts)
  },
}

/** The least of several, which only a race can bring about. */
function globalDefault(facts: AdmissionFacts): PriorityClass | undefined {
  const defaults = facts.list(priorityClasses, undefined).filter((one) => one.globalDefault)
  return defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0]
}

function classOf({ kind, name, object }: AdmissionRequest, facts: AdmissionFacts): PriorityClass | undefined {
  const { spec } = object as Pod
  if (!spec.priorityClassName) {
    const found = globalDefault(facts)
    if (found) spec.priorityClassName = found.metadata.name
    return found
  }
  const found = facts.get(priorityClasses, undefined, spec.priorityClassName)
  if (!found) throw forbidden(kind, name, `no PriorityClass with name ${spec.priorityClassName} was found`)
  return found
}

function setPriority(request: AdmissionRequest, facts: AdmissionFacts): void {
  const { kind, name, object } = request
  const { spec } = object as Pod
  const found = classOf(request, facts)
  const value = found?.value ?? 0
  const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority'
  if (spec.priority !== undefined && spec.priority !== value) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`
    throw forbidden(kind, name, why)
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`
    throw forbidden(kind, name, why)
  }
  spec.priority = value
  spec.preemptionPolicy = policy
}

function keepPriority({ spec }: Pod, { spec: previous }: Pod): void {
  if (spec.priority === undefined && previous.priority !== undefined) spec.priority = previous.priority
  if (spec.preemptionPolicy === undefined && previous.preemptionPolicy !== undefined) spec.preemptionPolicy = previous.preemptionPolicy
}

function checkSingleDefault({ kind, name, object }: AdmissionRequest, facts: AdmissionFacts): void {
  if (!(object as PriorityClass).globalDefault) return
  const other = globalDefault(facts)
  if (!other || other.metadata.name === name) return
  throw forbidden(kind, name, `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`)
}
