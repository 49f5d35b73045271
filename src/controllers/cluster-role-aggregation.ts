import type { ClusterRole, PolicyRule } from '../api/generated/types.ts'
import { clusterRoles } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import { labelSelectorMatcher } from '../machinery/label-selector.ts'
import type { Controller } from './controller-deps.ts'
import { unlessGone } from './unless-gone.ts'

/** The rules of all roles that the aggregation selects, each once, in order of the roles' names. */
export function gatheredRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const selects = (role.aggregationRule?.clusterRoleSelectors ?? []).map(labelSelectorMatcher)
  const rules: PolicyRule[] = []
  for (const other of [...all].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    if (other.metadata.name === role.metadata.name) continue
    if (!selects.some((matches) => matches(other.metadata.labels ?? {}))) continue
    for (const rule of other.rules ?? []) if (!rules.some((known) => deepEqual(known, rule))) rules.push(rule)
  }
  return rules
}

/** Keeps the rules of ClusterRoles that gather those of others (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles). */
export const clusterRoleAggregationController: Controller = (deps) => {
  const name = 'clusterrole-aggregation-controller'
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const roles = deps.informers.of(clusterRoles)
  // Any role may be part of any that gathers, and there are few of those.
  const all = (): void => {
    for (const role of roles.list()) if (role.aggregationRule) queue.add(role.metadata.name)
  }
  roles.on({ added: all, updated: all, deleted: all })
  const client = deps.client.resource<ClusterRole>(clusterRoles)
  const sync = async (key: string): Promise<void> => {
    const role = roles.get(key)
    if (!role?.aggregationRule) return
    const rules = gatheredRules(role, roles.list())
    if (deepEqual(rules, role.rules ?? [])) return
    await unlessGone(() => client.update({ ...role, rules }))
  }
  return () => queue.runWorkers(1, sync)
}
