import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { podAnnotationFaults, profileMatchFaults } from '../core/pod-annotation-validation.ts'
import { podSpecFaults } from '../core/pod-validation.ts'
import { type Faults, labelSelectorFaults, labelsFaults } from '../field-checks.ts'
import type { LabelSelector, PodTemplateSpec } from '../generated/types.ts'
import { annotationFaults } from '../metadata-validation.ts'

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
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

/**
 * Rules of everything that keeps pods from one template: a selector that finds its own pods, which run for ever.
 * `kindName` and `maker`: what messages call the kind.
 */
export function* selectorAndTemplateFaults(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kindName: string,
  maker: string,
): Faults {
  const own = selector ? [...labelSelectorFaults('spec.selector', selector)] : [required('spec.selector')]
  yield* own
  if (selector && isEmpty(selector)) yield invalidValue('spec.selector', selector, `empty selector is invalid for ${kindName}`)
  if (!template) return yield required('spec.template')
  const labels = template.metadata?.labels
  // No selector finds nothing; an empty one finds everything; one with faults of its own was named above.
  const isFound = !selector ? false : own.length > 0 || isEmpty(selector) || labelSelectorMatcher(selector)(labels)
  if (!isFound) yield invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')
  yield* templateFaults('spec.template', template)
  const policy = template.spec?.restartPolicy
  if (policy !== 'Always') yield notSupported('spec.template.spec.restartPolicy', policy ?? '', ['Always'])
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    yield forbiddenField('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${maker} is not Supported`)
  }
}
