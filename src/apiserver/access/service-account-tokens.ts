import type { JWK } from 'jose'
import type { Clock } from '../../host/clock.ts'
import type { Random } from '../../host/random.ts'
import { type Identity, serviceAccountUser, serviceAccountUserName } from './service-account-user.ts'
import { RefusedTokenError, type VerifiedToken } from './token-authenticator.ts'
import { algorithm, TokenSignatures } from './token-signatures.ts'

/** Whom a token speaks for, and what it lives and dies with. */
export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: Identity
  readonly pod?: Identity | undefined
  readonly secret?: Identity | undefined
  readonly node?: Identity | undefined
}

/** What a token's bearer still has to be measured by: objects may have gone since it was given out. */
export type IsStillThere = (
  kind: 'ServiceAccount' | 'Pod' | 'Secret' | 'Node',
  namespace: string | undefined,
  identity: Identity,
) => boolean

interface Options {
  /** The `iss` of the tokens, and their audience where none is asked for. */
  readonly issuer: string
  /** PEM of an EC P-256 key: signs, and its public half verifies. */
  readonly key: string
  readonly clock: Clock
  readonly random: Random
  readonly isStillThere: IsStillThere
}

/** The claim that holds what is Kubernetes' own. */
const privateClaim = 'kubernetes.io'
interface PrivateClaim {
  readonly namespace: string
  readonly serviceaccount: Identity
  readonly pod?: Identity
  readonly secret?: Identity
  readonly node?: Identity
}

/** Clocks of machines differ. */
const allowedSkewSeconds = 10

/**
 * Gives out and verifies tokens of service accounts: JWTs bound to an audience, a time and the objects they belong to
 * (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/).
 */
export class ServiceAccountTokens {
  readonly issuer: string
  readonly #options: Options
  readonly #signatures: TokenSignatures

  constructor(options: Options) {
    this.#options = options
    this.issuer = options.issuer
    this.#signatures = new TokenSignatures(options.issuer, options.key)
  }

  /** Times are whole seconds in a token. */
  async issue(
    subject: TokenSubject,
    audiences: readonly string[],
    lifetimeSeconds: number,
  ): Promise<{ token: string; expiresAtMs: number }> {
    const now = Math.floor(this.#options.clock.now() / 1000)
    const { namespace, serviceAccount, pod, secret, node } = subject
    const claim: PrivateClaim = {
      namespace,
      serviceaccount: serviceAccount,
      ...(pod ? { pod } : {}),
      ...(secret ? { secret } : {}),
      ...(node ? { node } : {}),
    }
    const token = await this.#signatures.sign({
      [privateClaim]: claim,
      sub: serviceAccountUserName(namespace, serviceAccount.name),
      aud: [...audiences],
      iat: now,
      nbf: now,
      exp: now + lifetimeSeconds,
      jti: this.#options.random.uuid(),
    })
    return { token, expiresAtMs: (now + lifetimeSeconds) * 1000 }
  }

  /** Undefined for a token of another issuer. Throws RefusedTokenError for one that has run out, was meant for others, or whose account or pod has gone. */
  async verify(token: string, audiences: readonly string[] = [this.issuer]): Promise<VerifiedToken | undefined> {
    const claims = await this.#signatures.claimsOf(token)
    if (!claims) return undefined
    const own = [claims.aud ?? []].flat()
    const meant = own.filter((audience) => audiences.includes(audience))
    if (meant.length === 0) {
      throw new RefusedTokenError(`token audiences ${quoted(own)} is invalid for the target audiences ${quoted(audiences)}`)
    }
    const nowSeconds = this.#options.clock.now() / 1000
    if ((claims.exp ?? 0) <= nowSeconds) throw new RefusedTokenError('service account token has expired')
    if ((claims.nbf ?? 0) > nowSeconds + allowedSkewSeconds) throw new RefusedTokenError('service account token is not valid yet')
    const claim = claims[privateClaim] as PrivateClaim | undefined
    if (!claim || !this.#isAlive(claim)) throw new RefusedTokenError('service account token has been invalidated')
    return { user: userOf(claim, claims.jti), audiences: meant }
  }

  #isAlive({ namespace, serviceaccount, pod, secret, node }: PrivateClaim): boolean {
    const { isStillThere } = this.#options
    return (
      isStillThere('ServiceAccount', namespace, serviceaccount) &&
      (!pod || isStillThere('Pod', namespace, pod)) &&
      (!secret || isStillThere('Secret', namespace, secret)) &&
      // A pod's token names its node for information; only one that is bound to a node alone goes with it.
      (!node || pod !== undefined || isStillThere('Node', undefined, node))
    )
  }

  /** What https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery serves. */
  discoveryDocument(): object {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [algorithm],
    }
  }

  publicKeys(): { keys: JWK[] } {
    return { keys: [this.#signatures.publicKey()] }
  }
}

const quoted = (texts: readonly string[]): string => `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`

function userOf({ namespace, serviceaccount, pod, node }: PrivateClaim, id: string | undefined) {
  const extra: Record<string, readonly string[]> = {}
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined) extra[`authentication.kubernetes.io/${name}`] = [value]
  }
  add('credential-id', id === undefined ? undefined : `JTI=${id}`)
  add('pod-name', pod?.name)
  add('pod-uid', pod?.uid)
  add('node-name', node?.name)
  add('node-uid', node?.uid)
  return serviceAccountUser(namespace, serviceaccount, extra)
}
