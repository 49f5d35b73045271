import { formatLabelSelector, requirementsOf, SelectorError } from '../../machinery/label-selector.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { none, wideColumn } from '../columns.ts'
import type { Container, LabelSelector, PodTemplateSpec } from '../generated/types.ts'
import type { Column } from '../kind.ts'

type WithTemplate = KubeObject & { spec: { selector?: LabelSelector; template?: PodTemplateSpec } }

export function selectorText(selector: LabelSelector | undefined): string {
  try {
    const requirements = [...requirementsOf(selector ?? {})].sort((a, b) => (a.key < b.key ? -1 : 1))
    return formatLabelSelector(requirements) || none
  } catch (error) {
    if (error instanceof SelectorError) return '<error>'
    throw error
  }
}

/** Names and images of the containers, for `-o wide`. */
export function containerColumns<T extends KubeObject>(templateOf: (object: T) => PodTemplateSpec | undefined): Column<T>[] {
  const joined = (object: T, text: (container: Container) => string): string =>
    (templateOf(object)?.spec?.containers ?? []).map(text).join(',')
  return [
    wideColumn('Containers', 'string', 'Names of the containers.', (object) => joined(object, ({ name }) => name)),
    wideColumn('Images', 'string', 'Images of the containers.', (object) => joined(object, ({ image }) => image ?? '')),
  ]
}

/** The columns that `-o wide` adds for everything that makes pods from a template. */
export function templateColumns<T extends WithTemplate>(): Column<T>[] {
  return [
    ...containerColumns<T>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', 'Labels of the pods it manages.', (object) => selectorText(object.spec.selector)),
  ]
}
