import type { UserInfo } from '../../machinery/api-request.ts'

export interface VerifiedToken {
  readonly user: UserInfo
  /** Those of the token that were asked about. */
  readonly audiences: readonly string[]
}

/**
 * Whom a bearer token speaks for, to any of the audiences. Undefined: this kind of token isn't known here. Throws
 * {@link RefusedTokenError} for one that is known and not good.
 */
export type TokenAuthenticator = (token: string, audiences: readonly string[]) => Promise<VerifiedToken | undefined>

/** Why a token is not good. Only who reviews tokens is told; its bearer hears that it is Unauthorized. */
export class RefusedTokenError extends Error {}

/** Asks in order. Throws {@link RefusedTokenError} with what all of them say where none knows the token. */
export async function authenticateToken(
  token: string,
  audiences: readonly string[],
  authenticators: readonly TokenAuthenticator[],
): Promise<VerifiedToken> {
  const refusals = ['invalid bearer token']
  for (const authenticator of authenticators) {
    try {
      const verified = await authenticator(token, audiences)
      if (verified) return verified
    } catch (error) {
      if (!(error instanceof RefusedTokenError)) throw error
      refusals.push(error.message)
    }
  }
  throw new RefusedTokenError(refusals.length === 1 ? refusals[0] : `[${refusals.join(', ')}]`)
}
