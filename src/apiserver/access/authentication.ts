import type { UserInfo } from '../../machinery/api-request.ts'
import { unauthorized } from '../../machinery/status.ts'
import { anonymous } from './client-certificate.ts'
import { RefusedTokenError } from './token-authenticator.ts'

/**
 * The caller: by client certificate if there is one, else by bearer token, else nobody in particular
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/). Throws Unauthorized for what is shown but not good.
 */
export async function authenticated(
  peer: UserInfo | undefined,
  authorization: string,
  userOfToken: (token: string) => Promise<UserInfo>,
): Promise<UserInfo> {
  if (!peer) throw unauthorized()
  if (peer !== anonymous || authorization === '') return peer
  const token = /^Bearer +(\S+)$/i.exec(authorization.trim())?.[1]
  if (token === undefined) throw unauthorized()
  try {
    return await userOfToken(token)
  } catch (error) {
    if (error instanceof RefusedTokenError) throw unauthorized()
    throw error
  }
}

const protocolPrefix = 'base64url.bearer.authorization.k8s.io.'

/** Browsers cannot set headers on a WebSocket: they offer their token as a protocol. Undefined: none is offered. */
export function tokenOfProtocols(offered: string): string | undefined {
  const coded = offered
    .split(',')
    .map((one) => one.trim())
    .find((one) => one.startsWith(protocolPrefix))
  return coded === undefined ? undefined : Buffer.from(coded.slice(protocolPrefix.length), 'base64url').toString()
}

/** The protocols that are offered besides: nobody behind this server is to see the token. */
export function withoutToken(offered: string): string {
  return offered
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !one.startsWith(protocolPrefix))
    .join(', ')
}
