import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { templateFaults } from '../apps/template-validation.ts'
import { type Faults, nonNegativeFaults } from '../field-checks.ts'
import type { PodTemplateSpec, ReplicationController } from '../generated/types.ts'

function* ownTemplateFaults(selector: Readonly<Record<string, string>>, template: PodTemplateSpec | undefined): Faults {
  const path = 'spec.template'
  if (!template) return yield required(path)
  const wanted = Object.entries(selector)
  const labels = template.metadata?.labels ?? {}
  if (wanted.length > 0 && !wanted.every(([key, value]) => labels[key] === value)) {
    yield invalidValue(`${path}.metadata.labels`, labels, '`selector` does not match template `labels`')
  }
  yield* templateFaults(path, template)
  const policy = template.spec?.restartPolicy
  if (policy !== 'Always') yield notSupported(`${path}.spec.restartPolicy`, policy ?? '', ['Always'])
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    yield forbiddenField(`${path}.spec.activeDeadlineSeconds`, 'activeDeadlineSeconds in ReplicationController is not Supported')
  }
}

function* specFaults({ spec = {} }: ReplicationController): Faults {
  yield* nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds)
  if (Object.keys(spec.selector ?? {}).length === 0) yield required('spec.selector')
  yield* nonNegativeFaults('spec.replicas', spec.replicas)
  yield* ownTemplateFaults(spec.selector ?? {}, spec.template)
}

export const validateReplicationController = (controller: ReplicationController): FieldError[] => [...specFaults(controller)]
