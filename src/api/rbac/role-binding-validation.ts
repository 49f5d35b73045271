import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, pathSegmentFaults } from '../../machinery/names.ts'
import type { ClusterRoleBinding, RbacV1Subject, RoleBinding, RoleRef } from '../generated/types.ts'

export const rbacGroup = 'rbac.authorization.k8s.io'
type Binding = RoleBinding | ClusterRoleBinding

export function setBindingDefaults({ roleRef, subjects = [] }: Binding): void {
  if (roleRef) roleRef.apiGroup ||= rbacGroup
  for (const subject of subjects) {
    if (!subject.apiGroup && (subject.kind === 'User' || subject.kind === 'Group')) subject.apiGroup = rbacGroup
  }
}

export function validateRoleBinding({ roleRef, subjects = [] }: RoleBinding): FieldError[] {
  return [
    ...validateRef(roleRef, ['Role', 'ClusterRole']),
    ...subjects.flatMap((subject, i) => validateSubject(subject, `subjects[${i}]`, { namespaced: true })),
  ]
}

export function validateClusterRoleBinding({ roleRef, subjects = [] }: ClusterRoleBinding): FieldError[] {
  return [
    ...validateRef(roleRef, ['ClusterRole']),
    ...subjects.flatMap((subject, i) => validateSubject(subject, `subjects[${i}]`, { namespaced: false })),
  ]
}

/** Whoever may change the subjects may not for that give them another role: that takes a new binding. */
export function validateBindingUpdate(binding: Binding, previous: Binding): FieldError[] {
  const { apiGroup, kind, name } = binding.roleRef ?? {}
  const shown = { APIGroup: apiGroup, Kind: kind, Name: name } // as upstream shows it
  return deepEqual(binding.roleRef, previous.roleRef) ? [] : [invalidValue('roleRef', shown, 'cannot change roleRef')]
}

function validateRef(roleRef: RoleRef | undefined, kinds: readonly string[]): FieldError[] {
  const { apiGroup = rbacGroup, kind = '', name = '' } = roleRef ?? {}
  const faults: FieldError[] = []
  if (apiGroup !== rbacGroup) faults.push(notSupported('roleRef.apiGroup', apiGroup, [rbacGroup]))
  if (!kinds.includes(kind)) faults.push(notSupported('roleRef.kind', kind, kinds))
  if (!name) return [...faults, required('roleRef.name')]
  return [...faults, ...pathSegmentFaults(name).map((fault) => invalidValue('roleRef.name', name, fault))]
}

function validateSubject(subject: RbacV1Subject, field: string, { namespaced }: { namespaced: boolean }): FieldError[] {
  const { kind, name, namespace, apiGroup = '' } = subject
  const faults: FieldError[] = name ? [] : [required(`${field}.name`)]
  switch (kind) {
    case 'ServiceAccount':
      if (name) faults.push(...dnsSubdomainFaults(name).map((fault) => invalidValue(`${field}.name`, name, fault)))
      if (apiGroup) faults.push(notSupported(`${field}.apiGroup`, apiGroup, ['']))
      if (!namespaced && !namespace) faults.push(required(`${field}.namespace`))
      return faults
    case 'User':
    case 'Group':
      if (apiGroup !== rbacGroup) faults.push(notSupported(`${field}.apiGroup`, apiGroup, [rbacGroup]))
      return faults
    default:
      return [...faults, notSupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group'])]
  }
}
