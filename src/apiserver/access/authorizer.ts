import type { SubjectRulesReviewStatus } from '../../api/generated/types.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { forbidden, forbiddenPath, type StatusError } from '../../machinery/status.ts'
import type { Route } from '../route.ts'
import { type NodeFacts, nodeMay, nodeNameOf } from './node-authorizer.ts'
import { nodeRefusal } from './node-refusal.ts'
import type { Rbac } from './rbac.ts'

/** Who may do everything, whatever the roles say: so that a cluster can always be mended. */
const masters = 'system:masters'

/** What a user may do: administrators all, nodes what they need, everybody what roles bound to them grant. Nothing ever denies. */
export class Authorizer {
  readonly #facts: NodeFacts
  readonly #rbac: Rbac

  constructor(facts: NodeFacts, rbac: Rbac) {
    this.#facts = facts
    this.#rbac = rbac
  }

  allows(user: UserInfo, route: Route): boolean {
    return user.groups.includes(masters) || nodeMay(user, route, this.#facts) || this.#rbac.allows(user, route)
  }

  /** Why a request is allowed or not, for the audit log and reviews: of most refusals there is nothing to say, nor of administrators. */
  reasonFor(user: UserInfo, route: Route): string {
    if (user.groups.includes(masters) || nodeMay(user, route, this.#facts)) return ''
    return this.#rbac.reasonFor(user, route) ?? nodeRefusal(user, route) ?? ''
  }

  /** Throws {@link refusal} unless the request is allowed. */
  authorize(user: UserInfo, route: Route): void {
    if (!this.allows(user, route)) throw refusal(user, route, nodeRefusal(user, route))
  }

  /** What a user may do in a namespace, for a SelfSubjectRulesReview. */
  rulesOf(user: UserInfo, namespace: string): SubjectRulesReviewStatus {
    const rules = [...this.#rbac.rulesFor(user, namespace)]
    // Nodes are let in by rules that depend on their pods.
    const isNode = nodeNameOf(user) !== undefined
    return {
      incomplete: isNode,
      ...(isNode ? { evaluationError: 'node authorizer does not support user rule resolution' } : {}),
      resourceRules: rules.filter((rule) => rule.resources?.length),
      nonResourceRules: rules.flatMap(({ verbs, nonResourceURLs }) => (nonResourceURLs?.length ? [{ verbs, nonResourceURLs }] : [])),
    }
  }
}

/** The 403 of upstream's wording, with why at its end where there is more to say. */
export function refusal(user: UserInfo, route: Route, why?: string): StatusError {
  const reason = why === undefined ? '' : `: ${why}`
  if (route.type === 'path') {
    return forbiddenPath(`User ${JSON.stringify(user.name)} cannot ${route.verb} path ${JSON.stringify(route.path)}${reason}`)
  }
  const resource = route.subresource ? `${route.plural}/${route.subresource}` : route.plural
  const where = route.namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(route.namespace)}`
  const what = `cannot ${route.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(route.group)} ${where}`
  return forbidden(route, route.name ?? '', `User ${JSON.stringify(user.name)} ${what}${reason}`)
}
