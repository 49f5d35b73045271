import { deepCopy } from '../../machinery/equality.ts'
import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { type Faults, immutableFaults } from '../field-checks.ts'
import type { Container, Job, JobSpec, PodSpec, PodTemplateSpec } from '../generated/types.ts'

const immutable = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const

/** An indexed job grows and shrinks only as a whole. */
function* completionsFaults({ completionMode, completions, parallelism }: JobSpec, previous: JobSpec): Faults {
  if (completionMode !== 'Indexed') return yield* immutableFaults('spec.completions', completions, previous.completions)
  if (completions === undefined || completions === previous.completions || completions === parallelism) return
  yield invalidValue('spec.completions', completions, 'can only be modified in tandem with spec.parallelism')
}

/** No pod of it has started, or none is left. */
function isAtRest({ spec, status }: Job): boolean {
  if (!spec.suspend) return false
  return !status?.startTime || status.conditions?.some(({ type, status }) => type === 'Suspended' && status === 'True') === true
}

/** The template as it was, but for what says where pods may go. */
function placedAs(template: PodTemplateSpec, previous: PodTemplateSpec): PodTemplateSpec {
  const placed = deepCopy(previous)
  const spec = placed.spec as PodSpec
  const { affinity, nodeSelector, tolerations, schedulingGates } = template.spec ?? ({} as PodSpec)
  const { nodeAffinity: _, ...others } = spec.affinity ?? {}
  const nodeAffinity = affinity?.nodeAffinity
  const kept = { ...others, ...(nodeAffinity ? { nodeAffinity } : {}) }
  Object.assign(spec, { nodeSelector, tolerations, schedulingGates })
  if (affinity || Object.keys(kept).length > 0) spec.affinity = kept
  else delete spec.affinity
  placed.metadata = { ...placed.metadata, annotations: template.metadata?.annotations, labels: template.metadata?.labels } as NonNullable<
    PodTemplateSpec['metadata']
  >
  return placed
}

/** Containers as they were, but for what they may use. */
function sizedAs(containers: readonly Container[] = [], previous: readonly Container[] | undefined): Container[] | undefined {
  if (previous?.length !== containers.length) return previous as Container[] | undefined
  return previous.map((container, index) => {
    const now = containers[index]
    if (now?.name !== container.name) return container
    return { ...container, resources: now.resources } as Container
  })
}

function* templateUpdateFaults(job: Job, previous: Job): Faults {
  const { template } = job.spec
  if (!isAtRest(previous)) return yield* immutableFaults('spec.template', template, previous.spec.template)
  const spec = placedAs(template, previous.spec.template).spec as PodSpec
  const containers = sizedAs(template.spec?.containers, spec.containers)
  const initContainers = sizedAs(template.spec?.initContainers, spec.initContainers)
  yield* immutableFaults('spec.template.spec', template.spec, { ...spec, containers, initContainers })
}

function* updateFaults(job: Job, previous: Job): Faults {
  yield* completionsFaults(job.spec, previous.spec)
  yield* immutableFaults('spec.selector', job.spec.selector, previous.spec.selector)
  yield* templateUpdateFaults(job, previous)
  for (const field of immutable) yield* immutableFaults(`spec.${field}`, job.spec[field], previous.spec[field])
}

export const validateJobUpdate = (job: Job, previous: Job): FieldError[] => [...updateFaults(job, previous)]
