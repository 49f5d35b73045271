import type { TokenReview } from '../../api/generated/types.ts'
import { schemaOf } from '../../api/schema.ts'
import { decodeObject } from '../../machinery/decode.ts'
import { badRequest } from '../../machinery/status.ts'
import type { FieldValidation } from '../request-options.ts'
import { userInfoOf } from './access-reviews.ts'
import { RefusedTokenError, type VerifiedToken } from './token-authenticator.ts'

type Verify = (token: string, audiences?: readonly string[]) => Promise<VerifiedToken>

/** Answers a TokenReview: who the token speaks for, and to which of the audiences that were asked about. */
export async function tokenReviewed(
  body: Readonly<Record<string, unknown>>,
  { verify, ...strictness }: { verify: Verify; fieldValidation: FieldValidation; duplicates: readonly string[] },
): Promise<{ object: object; warnings: readonly string[] }> {
  const { object, warnings } = decodeObject<TokenReview>(schemaOf('TokenReview'), body, strictness)
  const { token = '', audiences } = object.spec ?? {}
  if (!token) throw badRequest('token is required for TokenReview in authentication')
  const status = await statusOf(() => verify(token, audiences?.length ? audiences : undefined))
  const { metadata = {}, spec } = object
  return { object: { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', metadata, spec, status }, warnings }
}

async function statusOf(verify: () => Promise<VerifiedToken>): Promise<object> {
  try {
    const { user, audiences } = await verify()
    return { authenticated: true, user: userInfoOf(user), audiences }
  } catch (error) {
    if (!(error instanceof RefusedTokenError)) throw error
    return { authenticated: false, user: {}, error: error.message }
  }
}
