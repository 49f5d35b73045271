import { ageColumn, column, nameColumn, wideColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { ClusterRoleBinding, RbacV1Subject, RoleBinding } from '../generated/types.ts'
import {
  rbacGroup,
  setBindingDefaults,
  validateBindingUpdate,
  validateClusterRoleBinding,
  validateRoleBinding,
} from './role-binding-validation.ts'

type Binding = RoleBinding | ClusterRoleBinding

const subjectsText = (kind: string, text: (subject: RbacV1Subject) => string) => (binding: Binding) =>
  (binding.subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map(text)
    .join(', ')

const columns = [
  nameColumn,
  column<Binding>('Role', 'string', 'The role that is given.', ({ roleRef }) => (roleRef ? `${roleRef.kind}/${roleRef.name}` : '')),
  ageColumn,
  wideColumn<Binding>(
    'Users',
    'string',
    'Users who have the role.',
    subjectsText('User', ({ name }) => name),
  ),
  wideColumn<Binding>(
    'Groups',
    'string',
    'Groups whose members have the role.',
    subjectsText('Group', ({ name }) => name),
  ),
  wideColumn<Binding>(
    'ServiceAccounts',
    'string',
    'Service accounts that have the role.',
    subjectsText('ServiceAccount', ({ namespace, name }) => `${namespace ?? ''}/${name}`),
  ),
]

const rbac = { group: rbacGroup, version: 'v1', nameRule: 'path-segment', columns } as const

export const roleBindings = defineKind<RoleBinding>({
  ...rbac,
  kind: 'RoleBinding',
  plural: 'rolebindings',
  namespaced: true,
  setDefaults: setBindingDefaults,
  validate: validateRoleBinding,
  validateUpdate: validateBindingUpdate,
})

export const clusterRoleBindings = defineKind<ClusterRoleBinding>({
  ...rbac,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
  setDefaults: setBindingDefaults,
  validate: validateClusterRoleBinding,
  validateUpdate: validateBindingUpdate,
})
