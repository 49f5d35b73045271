import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { deepEqual } from '../../machinery/equality.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { forbidden, notFound } from '../../machinery/status.ts'
import type { ResourceRoute, Verb } from '../route.ts'
import type { Authorizer } from './authorizer.ts'
import type { Rbac, RulesOf } from './rbac.ts'
import { gatherVerbs, missingRules, quotedList, ruleText } from './rbac-rules.ts'

interface Deps {
  readonly authorizer: Authorizer
  readonly rbac: Rbac
  readonly rulesOf: RulesOf
}

interface Write {
  readonly user: UserInfo
  readonly kind: Kind
  readonly namespace: string | undefined
  readonly object: KubeObject
  readonly previous: KubeObject | undefined
}

const group = 'rbac.authorization.k8s.io'

/**
 * Nobody makes a role, or gives one, that grants more than they hold themselves, unless they may `escalate` or `bind` it
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).
 * Throws Forbidden with the rules that are missing.
 */
export function checkEscalation({ user, kind, namespace, object, previous }: Write, { authorizer, rbac, rulesOf }: Deps): void {
  if (kind.group !== group) return
  const { name } = object.metadata
  const may = (verb: string, plural: string, of: string): boolean =>
    authorizer.allows(user, {
      type: 'resource',
      verb: verb as Verb,
      group,
      version: 'v1',
      plural,
      namespace,
      name: of,
      subresource: undefined,
    } satisfies ResourceRoute)
  const check = (rules: readonly PolicyRule[]): void => {
    const missing = missingRules([...rbac.rulesFor(user, namespace)], rules)
    if (missing.length > 0) throw forbidden(kind, name, escalationText(user, missing))
  }
  if (kind.plural === 'roles' || kind.plural === 'clusterroles') {
    const { rules = [], aggregationRule } = object as ClusterRole
    const before = previous as Role | ClusterRole | undefined
    const same = before && deepEqual(rules, before.rules ?? []) && deepEqual(aggregationRule, (before as ClusterRole).aggregationRule)
    if (same || may('escalate', kind.plural, name)) return
    // What it gathers may come to be anything.
    check(
      aggregationRule ? [...rules, { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] }] : rules,
    )
    return
  }
  const { roleRef, subjects } = object as Partial<RoleBinding | ClusterRoleBinding>
  // Validation will refuse it.
  if (!roleRef) return
  const before = previous as RoleBinding | ClusterRoleBinding | undefined
  if (before && deepEqual(subjects, before.subjects) && deepEqual(roleRef, before.roleRef)) return
  const plural = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles'
  if (may('bind', plural, roleRef.name)) return
  const rules = rulesOf(roleRef, namespace)
  if (!rules) throw notFound({ group, plural }, roleRef.name)
  check(rules)
}

function escalationText(user: UserInfo, missing: readonly PolicyRule[]): string {
  const lines = gatherVerbs(missing).map(ruleText).sort()
  const who = `user ${JSON.stringify(user.name)} (groups=${quotedList(user.groups)})`
  return `${who} is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`
}
