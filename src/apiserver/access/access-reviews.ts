import type {
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectRulesReviewSpec,
  SubjectAccessReviewSpec,
  UserInfo as UserInfoOfReview,
} from '../../api/generated/types.ts'
import { schemaOf } from '../../api/schema.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { decodeObject } from '../../machinery/decode.ts'
import { invalidValue, required } from '../../machinery/field-error.ts'
import { apiVersionOf } from '../../machinery/group-version.ts'
import { badRequest, invalid } from '../../machinery/status.ts'
import type { ResourceRoute, Route, Verb } from '../route.ts'
import type { VirtualResource } from '../virtual-resources.ts'
import type { Authorizer } from './authorizer.ts'

interface Review {
  readonly metadata?: object
  readonly spec?: SubjectAccessReviewSpec & SelfSubjectRulesReviewSpec
}

interface Question {
  readonly user: UserInfo
  /** The namespace of the path, for a LocalSubjectAccessReview. */
  readonly namespace: string | undefined
  readonly authorizer: Authorizer
}

/**
 * Answers a review: the object that was sent, with its status
 * (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access).
 * Throws Invalid for one that asks nothing, or two things at once.
 */
export function reviewed(resource: VirtualResource, body: Readonly<Record<string, unknown>>, question: Question): object {
  const { kind } = resource
  const named = body.kind === undefined || body.kind === '' ? kind : body.kind
  if (named !== kind) throw badRequest(`the request is for ${kind}, the body holds ${String(named)}`)
  const { object } = decodeObject<Review & Record<string, unknown>>(schemaOf(kind), body, { fieldValidation: 'Ignore', duplicates: [] })
  const { metadata = {}, spec = {} } = object
  const answer = { kind, apiVersion: apiVersionOf(resource), metadata }
  if (kind === 'SelfSubjectReview') return { ...answer, status: { userInfo: userInfoOf(question.user) } }
  if (kind === 'SelfSubjectRulesReview') {
    if (!spec.namespace) throw badRequest('no namespace on request')
    return { ...answer, spec, status: question.authorizer.rulesOf(question.user, spec.namespace) }
  }
  const user = kind === 'SelfSubjectAccessReview' ? question.user : subjectOf(resource, spec)
  const allowed = question.authorizer.allows(user, routeAskedFor(resource, spec, question.namespace))
  return { ...answer, spec, status: { allowed } }
}

export function userInfoOf({ name, uid, groups, extra }: UserInfo): UserInfoOfReview {
  return {
    username: name,
    ...(uid ? { uid } : {}),
    groups: [...groups],
    ...(Object.keys(extra).length > 0 ? { extra: extra as Record<string, string[]> } : {}),
  }
}

function subjectOf(resource: VirtualResource, { user = '', groups = [], uid = '', extra = {} }: SubjectAccessReviewSpec): UserInfo {
  if (!user && groups.length === 0) {
    throw invalid(resource, '', [invalidValue('spec.user', user, 'at least one of user or group must be specified')])
  }
  return { name: user, uid, groups, extra }
}

/** What the review asks about, as if it were a request. */
function routeAskedFor(
  resource: VirtualResource,
  { resourceAttributes, nonResourceAttributes }: SubjectAccessReviewSpec,
  namespace: string | undefined,
): Route {
  if (resourceAttributes && nonResourceAttributes) {
    const why = 'cannot be specified in combination with resourceAttributes'
    throw invalid(resource, '', [invalidValue('spec.nonResourceAttributes', nonResourceAttributes, why)])
  }
  if (nonResourceAttributes) return pathOf(nonResourceAttributes)
  if (!resourceAttributes) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    throw invalid(resource, '', [required('spec.resourceAttributes', why)])
  }
  if (namespace !== undefined && resourceAttributes.namespace !== namespace) {
    const why = 'must match metadata.namespace'
    throw invalid(resource, '', [invalidValue('spec.resourceAttributes.namespace', resourceAttributes.namespace ?? '', why)])
  }
  return resourceRouteOf(resourceAttributes)
}

const pathOf = ({ path = '', verb = '' }: NonResourceAttributes): Route => ({ type: 'path', path, verb })

function resourceRouteOf(attributes: ResourceAttributes): ResourceRoute {
  const { verb = '', group = '', version = '', resource = '', subresource, namespace, name } = attributes
  return {
    type: 'resource',
    // Reviews may ask about verbs that no request has, such as impersonate or *.
    verb: verb as Verb,
    group,
    version,
    plural: resource,
    namespace: namespace || undefined,
    name: name || undefined,
    subresource: subresource || undefined,
  }
}
