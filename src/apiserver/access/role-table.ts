import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/generated/types.ts'
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from '../../api/registry.ts'
import type { CachedObject } from '../cached-object.ts'
import type { WatchCache } from '../watch-cache.ts'
import { type Binding, Rbac, type RulesOf } from './rbac.ts'

/** The rules of the roles that are stored now. */
export function rulesIn(cache: WatchCache): RulesOf {
  return ({ kind, name }, namespace) => {
    const found = kind === 'ClusterRole' ? cache.kind(clusterRoles).get(undefined, name) : cache.kind(roles).get(namespace, name)
    return found && ((found.object as Role | ClusterRole).rules ?? [])
  }
}

/** Follows the bindings in the cache from now on. */
export function rbacOver(cache: WatchCache): Rbac {
  const rbac = new Rbac(rulesIn(cache))
  const bindings = new Map<string, Binding>()
  const forget = (key: string): void => {
    const known = bindings.get(key)
    if (known) rbac.remove(known)
    bindings.delete(key)
  }
  const take = (item: CachedObject): void => {
    forget(item.key)
    const { roleRef, subjects = [], metadata } = item.object as RoleBinding | ClusterRoleBinding
    const binding = { name: metadata.name, namespace: metadata.namespace, roleRef, subjects }
    bindings.set(item.key, binding)
    rbac.add(binding)
  }
  for (const kind of [cache.kind(roleBindings), cache.kind(clusterRoleBindings)]) {
    for (const item of kind.list(undefined)) take(item)
    kind.onChange(({ item, previous }) => {
      if (item) take(item)
      else if (previous) forget(previous.key)
    })
  }
  return rbac
}
