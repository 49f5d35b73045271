import type { KubeObject } from '../../machinery/object.ts'
import { none, wideColumn } from '../columns.ts'
import type { LabelSelector, LabelSelectorRequirement, PodTemplateSpec } from '../generated/types.ts'
import type { Column } from '../kind.ts'

type WithTemplate = KubeObject & { spec: { selector: LabelSelector; template?: PodTemplateSpec } }

/** As the text form of selectors has it: `a in (1,2)`, `a`, `!a`. */
function requirementText({ key, operator, values = [] }: LabelSelectorRequirement): string {
  if (operator === 'Exists') return key
  if (operator === 'DoesNotExist') return `!${key}`
  return `${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`
}

export function selectorText(selector: LabelSelector | undefined): string {
  const parts = [
    ...Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => ({ key, text: `${key}=${value}` })),
    ...(selector?.matchExpressions ?? []).map((one) => ({ key: one.key, text: requirementText(one) })),
  ]
  return (
    parts
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map((part) => part.text)
      .join(',') || none
  )
}

const containersOf = (object: WithTemplate) => object.spec.template?.spec?.containers ?? []

/** The columns that `-o wide` adds for everything that makes pods from a template. */
export function templateColumns<T extends WithTemplate>(): Column<T>[] {
  return [
    wideColumn('Containers', 'string', 'Names of the containers.', (object) =>
      containersOf(object)
        .map((one) => one.name)
        .join(','),
    ),
    wideColumn('Images', 'string', 'Images of the containers.', (object) =>
      containersOf(object)
        .map((one) => one.image ?? '')
        .join(','),
    ),
    wideColumn('Selector', 'string', 'Labels of the pods it manages.', (object) => selectorText(object.spec.selector)),
  ]
}
