import type { ClusterRole, ClusterRoleBinding, PolicyRule, RbacV1Subject, Role, RoleBinding } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from '../../api/registry.ts'
import { deepEqual } from '../../machinery/equality.ts'
import type { KubeObject, NewObject } from '../../machinery/object.ts'
import { type DefaultRole, defaultRoles } from './default-roles.ts'
import { missingRules } from './rbac-rules.ts'

/** Set to "false" by who wants a default role left as they changed it. */
const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate'
const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' }
const annotations = { [autoUpdate]: 'true' }
const aggregateTo = (name: string): string => `rbac.authorization.k8s.io/aggregate-to-${name}`

export interface WantedObject {
  readonly kind: Kind
  readonly namespace: string | undefined
  readonly object: NewObject<KubeObject>
  /** What a stored one is to become; undefined: it is right as it is. */
  readonly mended: (stored: KubeObject) => KubeObject | undefined
}

/**
 * The default roles and bindings as objects. What a stored one lacks of rules or subjects is put back at each start, what
 * was added stays (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation).
 */
export function defaultRoleObjects(): WantedObject[] {
  return defaultRoles.flatMap((role) => [roleObject(role), ...(role.boundTo ? [bindingObject(role, role.boundTo)] : [])])
}

function roleObject({ name, namespace, rules, gathers, aggregatesTo }: DefaultRole): WantedObject {
  const metadata = {
    name,
    ...(namespace ? { namespace } : {}),
    labels: aggregatesTo ? { ...labels, [aggregateTo(aggregatesTo)]: 'true' } : labels,
    annotations,
  }
  const aggregationRule = gathers ? { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(gathers)]: 'true' } }] } : undefined
  return {
    kind: (namespace ? roles : clusterRoles) as unknown as Kind,
    namespace,
    object: { metadata, ...(aggregationRule ? { aggregationRule } : { rules }) } as unknown as NewObject<KubeObject>,
    mended: (stored) => (rules && mayMend(stored) ? withRules(stored as Role | ClusterRole, rules) : undefined),
  }
}

function bindingObject({ name, namespace }: DefaultRole, subjects: readonly RbacV1Subject[]): WantedObject {
  const metadata = { name, ...(namespace ? { namespace } : {}), labels, annotations }
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: namespace ? 'Role' : 'ClusterRole', name }
  return {
    kind: (namespace ? roleBindings : clusterRoleBindings) as unknown as Kind,
    namespace,
    object: { metadata, roleRef, ...(subjects.length > 0 ? { subjects } : {}) } as unknown as NewObject<KubeObject>,
    mended: (stored) => (mayMend(stored) ? withSubjects(stored as RoleBinding | ClusterRoleBinding, subjects) : undefined),
  }
}

const mayMend = ({ metadata }: KubeObject): boolean => metadata.annotations?.[autoUpdate] !== 'false'

function withRules(stored: Role | ClusterRole, rules: readonly PolicyRule[]): KubeObject | undefined {
  const missing = missingRules(stored.rules ?? [], rules)
  return missing.length === 0 ? undefined : Object.assign({ ...stored }, { rules: [...(stored.rules ?? []), ...missing] })
}

function withSubjects(stored: RoleBinding | ClusterRoleBinding, subjects: readonly RbacV1Subject[]): KubeObject | undefined {
  const present = stored.subjects ?? []
  const missing = subjects.filter((subject) => !present.some((one) => deepEqual(one, subject)))
  return missing.length === 0 ? undefined : Object.assign({ ...stored }, { subjects: [...present, ...missing] })
}
