import type { FieldError } from '../../machinery/field-error.ts'
import { selectorText } from '../apps/template-columns.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type {
  MutatingAdmissionPolicyBinding,
  ParamRef,
  ValidatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicyBindingSpec,
} from '../generated/types.ts'
import type { Column } from '../kind.ts'
import { setMatchDefaults } from './admission-policies.ts'
import { bindingFaults, validationActionsFaults } from './policy-validation.ts'

type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding

function paramRefText(ref: ParamRef | undefined): string {
  if (ref?.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`
  return ref?.selector ? selectorText(ref.selector) : '<unset>'
}

function columnsOf<T extends Binding>(): Column<T>[] {
  return [
    nameColumn,
    column('PolicyName', 'string', 'The policy that it puts to use.', ({ spec }) => spec?.policyName ?? ''),
    column('ParamRef', 'string', 'The parameters that the policy gets.', ({ spec }) => paramRefText(spec?.paramRef)),
    ageColumn,
  ]
}

const row = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  namespaced: false,
  categories: ['api-extensions'],
  countsGeneration: true,
} as const

export const validatingAdmissionPolicyBindings = defineKind<ValidatingAdmissionPolicyBinding>({
  ...row,
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  columns: columnsOf<ValidatingAdmissionPolicyBinding>(),
  setDefaults: (binding) => {
    binding.spec ??= {} as ValidatingAdmissionPolicyBindingSpec
    setMatchDefaults(binding.spec.matchResources)
  },
  validate: (binding): FieldError[] => [...bindingFaults(binding), ...validationActionsFaults(binding.spec?.validationActions)],
})

export const mutatingAdmissionPolicyBindings = defineKind<MutatingAdmissionPolicyBinding>({
  ...row,
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  columns: columnsOf<MutatingAdmissionPolicyBinding>(),
  setDefaults: (binding) => {
    binding.spec ??= {}
    setMatchDefaults(binding.spec.matchResources)
  },
  validate: (binding): FieldError[] => [...bindingFaults(binding)],
})
