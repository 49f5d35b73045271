import type { FlowSchema, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule } from '../../api/generated/types.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { ResourceRoute, Route } from '../route.ts'

/** Whether a request belongs to the schema: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#flowschema */
export function matches({ spec }: Pick<FlowSchema, 'spec'>, user: UserInfo, route: Route): boolean {
  return (spec?.rules ?? []).some(({ subjects, resourceRules = [], nonResourceRules = [] }) => {
    if (!subjects.some((subject) => isMeant(subject, user))) return false
    if (route.type === 'path') return nonResourceRules.some((rule) => matchesPath(rule, route.verb, route.path))
    return resourceRules.some((rule) => matchesResource(rule, route))
  })
}

function isMeant(subject: PolicyRulesWithSubjects['subjects'][number], { name, groups }: UserInfo): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.user?.name === '*' || subject.user?.name === name
    case 'Group':
      return subject.group?.name === '*' || groups.includes(subject.group?.name ?? '')
    case 'ServiceAccount': {
      const account = subject.serviceAccount
      if (!account) return false
      const prefix = `system:serviceaccount:${account.namespace}:`
      return account.name === '*' ? name.startsWith(prefix) : name === prefix + account.name
    }
    default:
      return false
  }
}

/** A star stands alone in its list, as validation sees to. */
const among = (list: readonly string[], one: string): boolean => list[0] === '*' || list.includes(one)

function matchesResource(rule: ResourcePolicyRule, route: ResourceRoute): boolean {
  const resource = route.subresource === undefined ? route.plural : `${route.plural}/${route.subresource}`
  if (!among(rule.verbs, route.verb) || !among(rule.resources, resource) || !among(rule.apiGroups, route.group)) return false
  const namespace = namespaceOf(route)
  return namespace === undefined ? rule.clusterScope === true : among(rule.namespaces ?? [], namespace)
}

/** A Namespace is in itself, as upstream sees it. */
export function namespaceOf(route: Route): string | undefined {
  if (route.type === 'path') return undefined
  return route.namespace ?? (route.plural === 'namespaces' && route.group === '' ? route.name : undefined)
}

function matchesPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, verb: string, path: string): boolean {
  if (!among(verbs, verb)) return false
  return nonResourceURLs.some((pattern) => {
    if (pattern === '*' || pattern === path) return true
    const start = pattern.replace(/\*$/, '')
    return path.startsWith(start.endsWith('/') ? start : `${start}/`)
  })
}
