import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { podSpecFaults } from '../core/pod-validation.ts'
import { type Faults, labelSelectorFaults, labelsFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { LabelSelector, PodTemplateSpec } from '../generated/types.ts'

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length === 0 && matchExpressions.length === 0

export function* templateFaults(path: string, template: PodTemplateSpec): Faults {
  const { labels, annotations = {} } = template.metadata ?? {}
  yield* labelsFaults(`${path}.metadata.labels`, labels)
  for (const key of Object.keys(annotations)) yield* qualifiedNameFaults(`${path}.metadata.annotations`, key.toLowerCase())
  if (template.spec?.ephemeralContainers?.length) {
    yield forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')
  }
  yield* podSpecFaults(`${path}.spec`, template.spec ?? { containers: [] }, false)
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
