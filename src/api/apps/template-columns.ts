import { formatLabelSelector, requirementsOf, SelectorError } from '../../machinery/label-selector.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { none, wideColumn } from '../columns.ts'
import type { LabelSelector, PodTemplateSpec } from '../generated/types.ts'
import type { Column } from '../kind.ts'

type WithTemplate = KubeObject & { spec: { selector: LabelSelector; template?: PodTemplateSpec } }

export function selectorText(selector: LabelSelector | undefined): string {
  try {
    const requirements = [...requirementsOf(selector ?? {})].sort((a, b) => (a.key < b.key ? -1 : 1))
    return formatLabelSelector(requirements) || none
  } catch (error) {
    if (error instanceof SelectorError) return '<error>'
    throw error
  }
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
