import { timingSafeEqual } from 'node:crypto'
import { dateOf, invalidSinceLabel, lastUsedLabel } from '../../api/core/account-token-secret.ts'
import type { Secret, ServiceAccount } from '../../api/generated/types.ts'
import type { Clock } from '../../host/clock.ts'
import { type Identity, serviceAccountUser, serviceAccountUserName } from './service-account-user.ts'
import { RefusedTokenError, type VerifiedToken } from './token-authenticator.ts'
import { TokenSignatures } from './token-signatures.ts'

const issuer = 'kubernetes/serviceaccount'
const claim = (name: string): string => `kubernetes.io/serviceaccount/${name}`

const dayMs = 24 * 60 * 60 * 1000

/** Signs what Secrets of type kubernetes.io/service-account-token hold: tokens that last as long as their Secret. */
export function legacyTokenSigner(key: string): (namespace: string, account: Identity, secretName: string) => Promise<string> {
  const signatures = new TokenSignatures(issuer, key)
  return (namespace, { name, uid }, secretName) =>
    signatures.sign({
      sub: serviceAccountUserName(namespace, name),
      [claim('namespace')]: namespace,
      [claim('secret.name')]: secretName,
      [claim('service-account.name')]: name,
      [claim('service-account.uid')]: uid,
    })
}

interface Options {
  readonly key: string
  readonly clock: Clock
  /** For whom the tokens are good, as they do not say themselves. */
  readonly audiences: readonly string[]
  readonly secret: (namespace: string, name: string) => Secret | undefined
  readonly account: (namespace: string, name: string) => ServiceAccount | undefined
  /** Has the Secret say that it was used on this day (2026-03-01). */
  readonly used: (namespace: string, name: string, date: string) => Promise<void>
}

/** Verifies them: https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets */
export class LegacyTokens {
  readonly #options: Options
  readonly #signatures: TokenSignatures
  /** Whose use is being written down at this moment. */
  readonly #noting = new Set<string>()

  constructor(options: Options) {
    this.#options = options
    this.#signatures = new TokenSignatures(issuer, options.key)
  }

  /** Undefined for a token of another issuer. Throws RefusedTokenError where its Secret or account says no. */
  async verify(token: string, audiences: readonly string[]): Promise<VerifiedToken | undefined> {
    const claims = await this.#signatures.claimsOf(token)
    if (!claims) return undefined
    const meant = this.#options.audiences.filter((audience) => audiences.includes(audience))
    if (meant.length === 0) throw new RefusedTokenError('the token is for the API server alone')
    const [namespace, secretName, name, uid] = ['namespace', 'secret.name', 'service-account.name', 'service-account.uid'].map((part) =>
      String(claims[claim(part)] ?? ''),
    ) as [string, string, string, string]
    const secret = this.#secretOf(namespace, secretName, token)
    this.#checkAccount(namespace, { name, uid })
    this.#noteUse(secret)
    if (secret.metadata.labels?.[invalidSinceLabel]) {
      throw new RefusedTokenError(
        `the token in secret ${namespace}/${secretName} for service account ${namespace}/${name} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`,
      )
    }
    return { user: serviceAccountUser(namespace, { name, uid }, {}), audiences: meant }
  }

  #secretOf(namespace: string, name: string, token: string): Secret {
    const secret = this.#options.secret(namespace, name)
    if (!secret || secret.metadata.deletionTimestamp !== undefined) throw new RefusedTokenError('Token has been invalidated')
    const own = Buffer.from(secret.data?.token ?? '', 'base64')
    const shown = Buffer.from(token)
    const same = own.length === shown.length && timingSafeEqual(own, shown)
    if (!same) throw new RefusedTokenError("Token does not match server's copy")
    return secret
  }

  #checkAccount(namespace: string, { name, uid }: Identity): void {
    const account = this.#options.account(namespace, name)
    if (!account || account.metadata.deletionTimestamp !== undefined) {
      throw new RefusedTokenError(`ServiceAccount ${namespace}/${name} has been deleted`)
    }
    if (account.metadata.uid !== uid) {
      throw new RefusedTokenError(`ServiceAccount UID (${account.metadata.uid}) does not match claim (${uid})`)
    }
  }

  /** Servers' clocks differ: another may have noted tomorrow's date already. */
  #noteUse({ metadata: { namespace = '', name, labels } }: Secret): void {
    const now = this.#options.clock.now()
    const noted = labels?.[lastUsedLabel]
    const key = `${namespace}/${name}`
    if (noted === dateOf(now) || noted === dateOf(now + dayMs) || this.#noting.has(key)) return
    this.#noting.add(key)
    void this.#options.used(namespace, name, dateOf(now)).finally(() => this.#noting.delete(key))
  }
}
