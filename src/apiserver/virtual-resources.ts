/** A resource that is asked, not stored: creating one is the whole of it. */
export interface VirtualResource {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

const authorization = { group: 'authorization.k8s.io', version: 'v1' }
const wholeCluster = { namespaced: false }

export const bindings: VirtualResource = { group: '', version: 'v1', plural: 'bindings', kind: 'Binding', namespaced: true }

/** Questions about who the caller is and what one may do: access/access-reviews.ts answers them. */
export const reviews: readonly VirtualResource[] = [
  { group: 'authentication.k8s.io', version: 'v1', plural: 'selfsubjectreviews', kind: 'SelfSubjectReview', ...wholeCluster },
  { ...authorization, plural: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview', namespaced: true },
  { ...authorization, plural: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview', ...wholeCluster },
  { ...authorization, plural: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview', ...wholeCluster },
  { ...authorization, plural: 'subjectaccessreviews', kind: 'SubjectAccessReview', ...wholeCluster },
]

/** Asks whose a token is: access/token-review.ts answers. */
export const tokenReviews: VirtualResource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  namespaced: false,
}

export const virtualResources: readonly VirtualResource[] = [bindings, ...reviews, tokenReviews]
