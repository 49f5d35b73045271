import type { FieldError } from '../../machinery/field-error.ts'
import { createdAtColumn, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { definitionFaults, definitionUpdateFaults } from './definition-validation.ts'

function setDefinitionDefaults(definition: CustomResourceDefinition): void {
  definition.spec ??= {} as CustomResourceDefinitionSpec
  const { spec } = definition
  spec.names ??= {} as CustomResourceDefinitionNames
  spec.names.singular ||= spec.names.kind?.toLowerCase() ?? ''
  if (spec.names.kind) spec.names.listKind ||= `${spec.names.kind}List`
  spec.conversion ??= { strategy: 'None' }
  const service = spec.conversion.webhook?.clientConfig?.service
  if (service) service.port ??= 443
}

/** Versions in which objects may lie in the store: the one that is written now, for a start. */
function startStatus(definition: CustomResourceDefinition): void {
  const stored = definition.spec.versions?.find(({ storage }) => storage)?.name
  definition.status = { ...(stored ? { storedVersions: [stored] } : {}) }
}

/** A version that has once been stored stays named until somebody has rewritten its objects. */
function keepStoredVersions(definition: CustomResourceDefinition, previous: CustomResourceDefinition): void {
  const stored = definition.spec.versions?.find(({ storage }) => storage)?.name
  const before = previous.status?.storedVersions ?? []
  if (stored && !before.includes(stored)) definition.status = { ...definition.status, storedVersions: [...before, stored] }
}

export const customResourceDefinitions = defineKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  hasStatus: true,
  statusKeeps: allMetadata,
  countsGeneration: true,
  columns: [nameColumn, createdAtColumn],
  setDefaults: setDefinitionDefaults,
  prepareForCreate: startStatus,
  prepareForUpdate: keepStoredVersions,
  validate: (definition): FieldError[] => [...definitionFaults(definition)],
  validateUpdate: (definition, previous): FieldError[] => [...definitionUpdateFaults(definition, previous)],
})
