import type { FieldError } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicySpec,
  ParamKind,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicySpec,
} from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { mutatingPolicyFaults, validatingPolicyFaults, validatingPolicyStatusFaults } from './policy-validation.ts'

const unset = '<unset>'

const paramKindText = (paramKind: ParamKind | undefined): string => (paramKind ? `${paramKind.apiVersion}/${paramKind.kind}` : unset)

export function setMatchDefaults(match: MatchResources | undefined): void {
  if (!match) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*'
}

const row = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  namespaced: false,
  categories: ['api-extensions'],
  countsGeneration: true,
} as const

export const validatingAdmissionPolicies = defineKind<ValidatingAdmissionPolicy>({
  ...row,
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  hasStatus: true,
  statusKeeps: allMetadata,
  columns: [
    nameColumn,
    column('Validations', 'integer', 'How many rules it has.', ({ spec }) => spec?.validations?.length ?? 0),
    column('ParamKind', 'string', 'The kind of its parameters.', ({ spec }) => paramKindText(spec?.paramKind)),
    ageColumn,
  ],
  setDefaults: (policy) => {
    policy.spec ??= {} as ValidatingAdmissionPolicySpec
    policy.spec.failurePolicy ??= 'Fail'
    setMatchDefaults(policy.spec.matchConstraints)
  },
  validate: (policy): FieldError[] => [...validatingPolicyFaults(policy)],
  validateStatusUpdate: (policy): FieldError[] => [...validatingPolicyStatusFaults(policy)],
})

export const mutatingAdmissionPolicies = defineKind<MutatingAdmissionPolicy>({
  ...row,
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  columns: [
    nameColumn,
    column('Mutations', 'integer', 'How many changes it makes.', ({ spec }) => spec?.mutations?.length ?? 0),
    column('ParamKind', 'string', 'The kind of its parameters.', ({ spec }) => paramKindText(spec?.paramKind)),
    ageColumn,
  ],
  setDefaults: (policy) => {
    policy.spec ??= {} as MutatingAdmissionPolicySpec
    policy.spec.failurePolicy ??= 'Fail'
    policy.spec.reinvocationPolicy ??= 'Never'
    setMatchDefaults(policy.spec.matchConstraints)
  },
  validate: (policy): FieldError[] => [...mutatingPolicyFaults(policy)],
})
