import { isObject } from '../../machinery/equality.ts'
import { type FieldError, required } from '../../machinery/field-error.ts'
import { splitApiVersion } from '../../machinery/group-version.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { immutableFaults, nonNegativeFaults } from '../field-checks.ts'
import type { ControllerRevision } from '../generated/types.ts'

function controllerText({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return none
  const { group } = splitApiVersion(owner.apiVersion)
  return `${owner.kind}${group ? `.${group}` : ''}`.toLowerCase().concat('/', owner.name)
}

function validateControllerRevision({ data, revision }: ControllerRevision): FieldError[] {
  const faults = [...nonNegativeFaults('revision', revision)]
  if (data === undefined || data === null) return [...faults, required('data', 'data is mandatory')]
  return isObject(data) ? faults : [...faults, required('data', 'data must be a valid JSON object')]
}

export const controllerRevisions = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  namespaced: true,
  columns: [
    nameColumn,
    column('Controller', 'string', 'Whose history it is part of.', controllerText),
    column('Revision', 'string', 'Its place in the history.', ({ revision }) => revision ?? 0),
    ageColumn,
  ],
  setDefaults: (one) => {
    one.revision ??= 0
  },
  validate: validateControllerRevision,
  validateUpdate: (one, previous) => [...immutableFaults('data', one.data, previous.data)],
})
