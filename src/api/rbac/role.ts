import { column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { ClusterRole, Role } from '../generated/types.ts'
import { validateClusterRole, validateRole } from './role-validation.ts'

const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1', nameRule: 'path-segment' } as const
const columns = [
  nameColumn,
  column<ClusterRole | Role>('Created At', 'date', 'When the role was made.', ({ metadata }) => metadata.creationTimestamp),
]

export const roles = defineKind<Role>({ ...rbac, kind: 'Role', plural: 'roles', namespaced: true, columns, validate: validateRole })

export const clusterRoles = defineKind<ClusterRole>({
  ...rbac,
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
  columns,
  validate: validateClusterRole,
})
