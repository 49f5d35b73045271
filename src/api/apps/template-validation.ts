import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { podSpecFaults } from '../core/pod-validation.ts'
import { type Faults, labelSelectorFaults, labelsFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { LabelSelector, LabelSelectorRequirement, PodTemplateSpec } from '../generated/types.ts'

function meets(labels: Readonly<Record<string, string>>, { key, operator, values = [] }: LabelSelectorRequirement): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  const isListed = value !== undefined && values.includes(value)
  return operator === 'In' ? isListed : !isListed
}

function selects(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const matches = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return matches && (selector.matchExpressions ?? []).every((requirement) => meets(labels, requirement))
}

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length === 0 && matchExpressions.length === 0

function* templateFaults(path: string, template: PodTemplateSpec): Faults {
  const { labels, annotations = {} } = template.metadata ?? {}
  yield* labelsFaults(`${path}.metadata.labels`, labels)
  for (const key of Object.keys(annotations)) yield* qualifiedNameFaults(`${path}.metadata.annotations`, key.toLowerCase())
  if (template.spec?.ephemeralContainers?.length) {
    yield forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')
  }
  yield* podSpecFaults(`${path}.spec`, template.spec ?? { containers: [] }, false)
}

/** Rules of everything that keeps a number of pods from one template: a selector that finds its own pods, which run for ever. */
export function* selectorAndTemplateFaults(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kindName: string,
): Faults {
  if (!selector) yield required('spec.selector')
  else {
    yield* labelSelectorFaults('spec.selector', selector)
    if (isEmpty(selector)) yield invalidValue('spec.selector', selector, `empty selector is invalid for ${kindName}`)
  }
  if (!template) return yield required('spec.template')
  const labels = template.metadata?.labels ?? {}
  if (selector && !isEmpty(selector) && !selects(selector, labels)) {
    yield invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')
  }
  yield* templateFaults('spec.template', template)
  const policy = template.spec?.restartPolicy
  if (policy !== 'Always') yield notSupported('spec.template.spec.restartPolicy', policy ?? '', ['Always'])
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    yield forbiddenField('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${kindName} is not Supported`)
  }
}
