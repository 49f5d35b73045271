import type { TokenReview } from '../../api/generated/types.ts'
import { schemaOf } from '../../api/schema.ts'
import { decodeObject } from '../../machinery/decode.ts'
import { badRequest } from '../../machinery/status.ts'
import { userInfoOf } from './access-reviews.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

/** Answers a TokenReview: who the token speaks for, and to which of the audiences that were asked about. */
export async function tokenReviewed(body: Readonly<Record<string, unknown>>, tokens: ServiceAccountTokens): Promise<object> {
  const { object } = decodeObject<TokenReview>(schemaOf('TokenReview'), body, { fieldValidation: 'Ignore', duplicates: [] })
  const { token = '', audiences } = object.spec ?? {}
  if (!token) throw badRequest('token is required for TokenReview in authentication')
  const verified = await tokens.verify(token, audiences?.length ? audiences : [tokens.issuer])
  const status = verified
    ? { authenticated: true, user: userInfoOf(verified.user), audiences: verified.audiences }
    : { authenticated: false, user: {}, error: '[invalid bearer token]' }
  return { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', metadata: object.metadata ?? {}, spec: object.spec, status }
}
