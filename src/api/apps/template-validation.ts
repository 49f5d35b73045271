import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { podAnnotationFaults, profileMatchFaults } from '../core/pod-annotation-validation.ts'
import { podSpecFaults } from '../core/pod-validation.ts'
import { type Faults, labelSelectorFaults, labelsFaults } from '../field-checks.ts'
import type { LabelSelector, PodTemplateSpec } from '../generated/types.ts'
import { annotationFaults } from '../metadata-validation.ts'

export const isEmptySelector = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length === 0 && matchExpressions.length === 0

/** Of labels and annotations upstream tells without `metadata`. */
export function* templateFaults(path: string, template: PodTemplateSpec): Faults {
  const { metadata, spec = { containers: [] } } = template
  yield* labelsFaults(`${path}.labels`, metadata?.labels)
  yield* annotationFaults(`${path}.annotations`, metadata?.annotations)
  yield* podAnnotationFaults(`${path}.annotations`, metadata?.annotations, spec)
  yield* podSpecFaults(`${path}.spec`, spec)
  yield* profileMatchFaults(`${path}.spec`, metadata, spec)
  if (spec.ephemeralContainers?.length) {
    yield forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')
  }
}

/** A selector with faults of its own finds nothing out about labels. No selector finds nothing. */
export function* ownPodsFaults(path: string, selector: LabelSelector | undefined, template: PodTemplateSpec | undefined): Faults {
  if ([...labelSelectorFaults('', selector)].length > 0) return
  const labels = template?.metadata?.labels
  if (labelSelectorMatcher(selector)(labels)) return
  yield invalidValue(`${path}.metadata.labels`, labels, '`selector` does not match template `labels`')
}

/** Of pods that are kept running, made by a `maker`. */
export function* lastingFaults(path: string, { spec }: PodTemplateSpec, maker: string): Faults {
  const policy = spec?.restartPolicy
  if (policy !== 'Always') yield notSupported(`${path}.spec.restartPolicy`, policy ?? '', ['Always'])
  if (spec?.activeDeadlineSeconds === undefined) return
  yield forbiddenField(`${path}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${maker} is not Supported`)
}

/** `kindName` is what messages call the kind. */
export function* neededSelectorFaults(selector: LabelSelector | undefined, kindName: string): Faults {
  if (!selector) return yield required('spec.selector')
  yield* labelSelectorFaults('spec.selector', selector)
  if (isEmptySelector(selector)) yield invalidValue('spec.selector', selector, `empty selector is invalid for ${kindName}`)
}

/** Rules of Deployments and ReplicaSets: a selector that finds their own pods, which run for ever. */
export function* replicatedFaults(selector: LabelSelector | undefined, template: PodTemplateSpec | undefined): Faults {
  yield* neededSelectorFaults(selector, 'deployment')
  if ([...labelSelectorFaults('', selector)].length > 0) return yield invalidValue('spec.selector', selector, 'invalid label selector')
  if (!template) return yield required('spec.template')
  yield* ownPodsFaults('spec.template', selector, template)
  yield* templateFaults('spec.template', template)
  yield* lastingFaults('spec.template', template, 'ReplicaSet')
}
