import { deepEqual } from '../../machinery/equality.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { containerColumns } from '../apps/template-columns.ts'
import { templateFaults } from '../apps/template-validation.ts'
import { column, labelsText, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { PodTemplate } from '../generated/types.ts'
import { setPodTemplateDefaults } from './pod-defaults.ts'
import { templateWarnings } from './pod-warnings.ts'

const validatePodTemplate = ({ template }: PodTemplate): FieldError[] => [...templateFaults('template', template ?? {})]

export const podTemplates = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  namespaced: true,
  countsGeneration: true,
  columns: [
    nameColumn,
    ...containerColumns<PodTemplate>(({ template }) => template).map((one) => ({ ...one, priority: 0 as const })),
    column('Pod Labels', 'string', 'Labels that its pods get.', ({ template }) => labelsText(template?.metadata?.labels)),
  ],
  setDefaults: (podTemplate) => {
    podTemplate.template ??= {}
    setPodTemplateDefaults(podTemplate.template)
  },
  validate: validatePodTemplate,
  warnings: (made, previous) =>
    previous && deepEqual(made.template, previous.template) ? [] : templateWarnings('template', made.template),
})
