import type { SubjectRulesReviewStatus } from '../api/generated/types.ts'
import type { UserInfo } from '../machinery/api-request.ts'
import { forbidden, forbiddenPath, type StatusError } from '../machinery/status.ts'
import type { ResourceRoute, Route } from './route.ts'

/** What rules may look up to decide. */
export interface Facts {
  /** The node a pod is bound to, if there is such a pod. */
  nodeOfPod(namespace: string, name: string): string | undefined
}

/** True: allowed. Anything else: ask the next rule. The first that allows decides; none: forbidden. */
type Rule = (user: UserInfo, route: Route, facts: Facts) => boolean

const readVerbs = new Set<string>(['get', 'list', 'watch'])
const inGroup = (user: UserInfo, group: string): boolean => user.groups.includes(group)

/** `pods`, `pods.apps`, `pods/status`: how the tables below name a resource. */
function resourceOf(route: ResourceRoute): string {
  const base = route.group ? `${route.plural}.${route.group}` : route.plural
  return route.subresource ? `${base}/${route.subresource}` : base
}

/** Rows of `resources: verbs`. */
function grants(table: Readonly<Record<string, string>>): (route: ResourceRoute) => boolean {
  const verbs = new Map<string, Set<string>>()
  for (const [resources, allowed] of Object.entries(table)) {
    for (const resource of resources.split(' ')) verbs.set(resource, new Set(allowed.split(' ')))
  }
  return (route) => verbs.get(resourceOf(route))?.has(route.verb) ?? false
}

const selfReviews = new Set([
  'selfsubjectreviews.authentication.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
])
const healthPaths = /^\/(healthz|livez|readyz)(\/|$)|^\/version\/?$/
const discoveryPaths = /^\/(api|apis|openapi)(\/|$)/

const anyoneReadsHealth: Rule = (_user, route) => route.type === 'path' && route.verb === 'get' && healthPaths.test(route.path)

const mastersDoAll: Rule = (user) => inGroup(user, 'system:masters')

const authenticatedDiscover: Rule = (user, route) =>
  route.type === 'path' &&
  route.verb === 'get' &&
  inGroup(user, 'system:authenticated') &&
  (discoveryPaths.test(route.path) || route.path === '/')

const authenticatedAskAboutThemselves: Rule = (user, route) =>
  route.type === 'resource' && route.verb === 'create' && selfReviews.has(resourceOf(route)) && inGroup(user, 'system:authenticated')

const eventWrites = 'create patch update'
const nodeGrants = grants({
  'pods nodes services endpointslices.discovery.k8s.io endpoints configmaps secrets': 'get list watch',
  nodes: 'get list watch create',
  'events events.events.k8s.io': eventWrites,
})
const ownNodeGrants = grants({
  nodes: 'patch update',
  'nodes/status': 'patch update get',
  'leases.coordination.k8s.io': 'get create update patch',
})
const ownPodGrants = grants({ pods: 'delete', 'pods/status': 'patch update get' })

/** What upstream's Node authorizer and NodeRestriction leave a node: itself and the pods bound to it. */
const nodesMindThemselves: Rule = (user, route, facts) => {
  if (route.type !== 'resource' || !inGroup(user, 'system:nodes') || !user.name.startsWith('system:node:')) return false
  const node = user.name.slice('system:node:'.length)
  if (nodeGrants(route)) return true
  if (route.plural === 'leases') {
    const own = route.name === node || (route.verb === 'create' && route.name === undefined)
    return route.namespace === 'kube-node-lease' && own && ownNodeGrants(route)
  }
  if (ownNodeGrants(route)) return route.name === node
  if (!ownPodGrants(route) || route.namespace === undefined || route.name === undefined) return false
  return facts.nodeOfPod(route.namespace, route.name) === node
}

const proxyGrants = grants({
  'services nodes endpoints endpointslices.discovery.k8s.io': 'get list watch',
  'events events.events.k8s.io': eventWrites,
})
const schedulerGrants = grants({
  'pods/binding bindings': 'create',
  'pods/status': 'patch update',
  pods: 'delete get list watch',
  'events events.events.k8s.io': eventWrites,
  'leases.coordination.k8s.io': 'get create update patch',
})
const proxyReads: Rule = (user, route) => user.name === 'system:kube-proxy' && route.type === 'resource' && proxyGrants(route)
const schedulerBinds: Rule = (user, route) =>
  user.name === 'system:kube-scheduler' && route.type === 'resource' && (readVerbs.has(route.verb) || schedulerGrants(route))
const controllersDoAll: Rule = (user, route) => user.name === 'system:kube-controller-manager' && route.type === 'resource'

/** Most asked first. There is no rule that denies, so the order is one of speed alone. */
const rules: readonly Rule[] = [
  mastersDoAll,
  nodesMindThemselves,
  proxyReads,
  schedulerBinds,
  controllersDoAll,
  authenticatedDiscover,
  authenticatedAskAboutThemselves,
  anyoneReadsHealth,
]

export function isAllowed(user: UserInfo, route: Route, facts: Facts): boolean {
  return rules.some((rule) => rule(user, route, facts))
}

/** Throws the 403 of upstream's wording unless a rule allows the request. */
export function authorize(user: UserInfo, route: Route, facts: Facts): void {
  if (!isAllowed(user, route, facts)) throw refusal(user, route)
}

/** What a user may do, for a SelfSubjectRulesReview: whole for administrators and for those who may do no more than ask. */
export function rulesOf(user: UserInfo): SubjectRulesReviewStatus {
  const all = ['*']
  if (inGroup(user, 'system:masters')) {
    return {
      incomplete: false,
      resourceRules: [{ verbs: all, apiGroups: all, resources: all }],
      nonResourceRules: [{ verbs: all, nonResourceURLs: all }],
    }
  }
  const health = { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] }
  const discovery = { verbs: ['get'], nonResourceURLs: ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'] }
  const isAuthenticated = inGroup(user, 'system:authenticated')
  const asked = [...selfReviews].map((name) => {
    const [resource = '', ...group] = name.split('.')
    return { verbs: ['create'], apiGroups: [group.join('.')], resources: [resource] }
  })
  return {
    // The system's own users are let in by rules that depend on more than the verb and the resource.
    incomplete: user.name.startsWith('system:') && isAuthenticated,
    resourceRules: isAuthenticated ? asked : [],
    nonResourceRules: isAuthenticated ? [health, discovery] : [health],
  }
}

function refusal(user: UserInfo, route: Route): StatusError {
  if (route.type === 'path') {
    return forbiddenPath(`User ${JSON.stringify(user.name)} cannot ${route.verb} path ${JSON.stringify(route.path)}`)
  }
  const resource = route.subresource ? `${route.plural}/${route.subresource}` : route.plural
  const where = route.namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(route.namespace)}`
  const what = `cannot ${route.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(route.group)} ${where}`
  return forbidden(route, route.name ?? '', `User ${JSON.stringify(user.name)} ${what}`)
}
