import { timingSafeEqual } from 'node:crypto'
import { bootstrapSecretName, bootstrapTokenNamespace, bootstrapTokenOf } from '../../api/core/bootstrap-token.ts'
import type { Secret } from '../../api/generated/types.ts'
import type { Clock } from '../../host/clock.ts'
import type { TokenAuthenticator } from './token-authenticator.ts'

interface Options {
  readonly clock: Clock
  /** For whom the tokens are good. */
  readonly audiences: readonly string[]
  readonly secret: (namespace: string, name: string) => Secret | undefined
}

/** `abcdef.0123456789abcdef` speaks for `system:bootstrap:abcdef`, for as long as its Secret is there and says so. */
export function bootstrapTokenAuthenticator({ clock, audiences: own, secret: secretOf }: Options): TokenAuthenticator {
  return async (token, audiences) => {
    const parts = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token)
    const meant = own.filter((audience) => audiences.includes(audience))
    if (!parts || meant.length === 0) return undefined
    const [, id = '', shown = ''] = parts
    const secret = secretOf(bootstrapTokenNamespace, bootstrapSecretName(id))
    if (!secret || secret.metadata.deletionTimestamp !== undefined) return undefined
    const known = bootstrapTokenOf(secret)
    if (known?.id !== id || !isSame(known.secret, shown)) return undefined
    if (known.expiresAtMs <= clock.now() || !known.authenticates || !known.groups) return undefined
    const groups = [...known.groups, 'system:authenticated']
    return { user: { name: `system:bootstrap:${id}`, uid: '', groups, extra: {} }, audiences: meant }
  }
}

function isSame(known: string, shown: string): boolean {
  const [one, other] = [Buffer.from(known), Buffer.from(shown)]
  return one.length === other.length && timingSafeEqual(one, other)
}
