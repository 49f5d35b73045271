import type {
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectRulesReviewSpec,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  UserInfo as UserInfoOfReview,
} from '../../api/generated/types.ts'
import { schemaOf } from '../../api/schema.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { decodeObject } from '../../machinery/decode.ts'
import { apiVersionOf } from '../../machinery/group-version.ts'
import { badRequest, invalid } from '../../machinery/status.ts'
import type { FieldValidation } from '../request-options.ts'
import type { ResourceRoute, Route, Verb } from '../route.ts'
import type { VirtualResource } from '../virtual-resources.ts'
import { accessReviewFaults } from './access-review-validation.ts'
import type { Authorizer } from './authorizer.ts'
import { confinement } from './review-selectors.ts'

type Metadata = Readonly<Record<string, unknown>>

interface Review {
  readonly metadata?: Metadata
  readonly spec?: SubjectAccessReviewSpec & SelfSubjectRulesReviewSpec
}

export interface Question {
  readonly user: UserInfo
  /** The namespace of the path, for a LocalSubjectAccessReview. */
  readonly namespace: string | undefined
  readonly authorizer: Authorizer
  /** RFC 3339. */
  readonly time: string
  readonly fieldValidation: FieldValidation
  readonly duplicates: readonly string[]
}

/**
 * Answers a review: the object that was sent, with its status
 * (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access).
 * Throws Invalid for one that asks nothing, or two things at once.
 */
export function reviewed(
  resource: VirtualResource,
  body: Readonly<Record<string, unknown>>,
  question: Question,
): { object: object; warnings: readonly string[] } {
  const { kind } = resource
  const named = body.kind === undefined || body.kind === '' ? kind : body.kind
  if (named !== kind) throw badRequest(`the request is for ${kind}, the body holds ${String(named)}`)
  const { object, warnings } = decodeObject<Review & Record<string, unknown>>(schemaOf(kind), body, question)
  return { object: { kind, apiVersion: apiVersionOf(resource), ...answered(resource, object, question) }, warnings }
}

function answered(resource: VirtualResource, { metadata = {}, spec = {} }: Review, question: Question): object {
  const { user, authorizer } = question
  switch (resource.kind) {
    case 'SelfSubjectReview':
      return { metadata: { ...metadata, creationTimestamp: question.time }, status: { userInfo: userInfoOf(user) } }
    case 'SelfSubjectRulesReview':
      if (!spec.namespace) throw badRequest('no namespace on request')
      return { metadata, spec, status: authorizer.rulesOf(user, spec.namespace) }
    default: {
      const of = withNamespace(resource, metadata, question.namespace)
      const faults = [...accessReviewFaults(resource.kind, { metadata: of, spec })]
      if (faults.length > 0) throw invalid(resource, '', faults)
      const subject = resource.kind === 'SelfSubjectAccessReview' ? user : subjectOf(spec)
      return { metadata: of, spec, status: verdict(subject, spec, authorizer) }
    }
  }
}

/** What the body leaves out of its place, the path says. */
function withNamespace({ namespaced }: VirtualResource, metadata: Metadata, namespace: string | undefined): Metadata {
  const given = metadata.namespace
  if (!namespaced) return metadata
  if (given && given !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  return { ...metadata, namespace }
}

export function userInfoOf({ name, uid, groups, extra }: UserInfo): UserInfoOfReview {
  return {
    username: name,
    ...(uid ? { uid } : {}),
    groups: [...groups],
    ...(Object.keys(extra).length > 0 ? { extra: extra as Record<string, string[]> } : {}),
  }
}

const subjectOf = ({ user = '', groups = [], uid = '', extra = {} }: SubjectAccessReviewSpec): UserInfo => ({
  name: user,
  uid,
  groups,
  extra,
})

function verdict(user: UserInfo, spec: SubjectAccessReviewSpec, authorizer: Authorizer): SubjectAccessReviewStatus {
  const { resourceAttributes = {}, nonResourceAttributes } = spec
  const { fields, ignored } = confinement(resourceAttributes)
  const route: Route = nonResourceAttributes ? pathOf(nonResourceAttributes) : { ...resourceRouteOf(resourceAttributes), fields }
  const allowed = authorizer.allows(user, route)
  const reason = authorizer.reasonFor(user, route)
  return {
    allowed,
    ...(reason ? { reason } : {}),
    ...(ignored.length > 0 ? { evaluationError: ignored.join('; ') } : {}),
  }
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
