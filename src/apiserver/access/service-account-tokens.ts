import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { JWK, JWTPayload } from 'jose'
import type { Clock } from '../../host/clock.ts'
import type { Random } from '../../host/random.ts'
import type { UserInfo } from '../../machinery/api-request.ts'

/** An object by name and uid: one of the same name that came later is another. */
export interface Identity {
  readonly name: string
  readonly uid: string
}

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

export interface VerifiedToken {
  readonly user: UserInfo
  /** Those of the token that were asked about. */
  readonly audiences: readonly string[]
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

const algorithm = 'ES256'
/** Tokens whose signature has been checked; checking takes a tenth of a millisecond, and clients send theirs with every request. */
const maxRemembered = 2_000

/**
 * Gives out and verifies tokens of service accounts: JWTs bound to an audience, a time and the objects they belong to
 * (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/).
 */
export class ServiceAccountTokens {
  readonly issuer: string
  readonly #options: Options
  readonly #private: KeyObject
  readonly #public: KeyObject
  readonly #keyId: string
  readonly #remembered = new Map<string, JWTPayload>()

  constructor(options: Options) {
    this.#options = options
    this.issuer = options.issuer
    this.#private = createPrivateKey(options.key)
    this.#public = createPublicKey(this.#private)
    this.#keyId = createHash('sha256')
      .update(this.#public.export({ type: 'spki', format: 'der' }))
      .digest('base64url')
  }

  /** Times are whole seconds in a token. */
  async issue(
    subject: TokenSubject,
    audiences: readonly string[],
    lifetimeSeconds: number,
  ): Promise<{ token: string; expiresAtMs: number }> {
    const { SignJWT } = await import('jose')
    const now = Math.floor(this.#options.clock.now() / 1000)
    const { namespace, serviceAccount, pod, secret, node } = subject
    const claim: PrivateClaim = {
      namespace,
      serviceaccount: serviceAccount,
      ...(pod ? { pod } : {}),
      ...(secret ? { secret } : {}),
      ...(node ? { node } : {}),
    }
    const token = await new SignJWT({ [privateClaim]: claim })
      .setProtectedHeader({ alg: algorithm, kid: this.#keyId })
      .setIssuer(this.issuer)
      .setSubject(userNameOf(namespace, serviceAccount.name))
      .setAudience([...audiences])
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetimeSeconds)
      .setJti(this.#options.random.uuid())
      .sign(this.#private)
    return { token, expiresAtMs: (now + lifetimeSeconds) * 1000 }
  }

  /** Undefined for a token that is not ours, has run out, was meant for others, or whose account or pod has gone. */
  async verify(token: string, audiences: readonly string[] = [this.issuer]): Promise<VerifiedToken | undefined> {
    const payload = await this.#payloadOf(token)
    if (!payload) return undefined
    const nowSeconds = this.#options.clock.now() / 1000
    if ((payload.exp ?? 0) <= nowSeconds || (payload.nbf ?? 0) > nowSeconds + allowedSkewSeconds) return undefined
    const meant = [payload.aud ?? []].flat().filter((audience) => audiences.includes(audience))
    const claim = payload[privateClaim] as PrivateClaim | undefined
    if (meant.length === 0 || !claim || !this.#isAlive(claim)) return undefined
    return { user: userOf(claim, payload.jti), audiences: meant }
  }

  async #payloadOf(token: string): Promise<JWTPayload | undefined> {
    const known = this.#remembered.get(token)
    if (known) return known
    const { compactVerify, errors } = await import('jose')
    let payload: JWTPayload
    try {
      const { payload: bytes } = await compactVerify(token, this.#public, { algorithms: [algorithm] })
      payload = JSON.parse(Buffer.from(bytes).toString()) as JWTPayload
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof SyntaxError || error instanceof TypeError) return undefined
      throw error
    }
    if (payload.iss !== this.issuer) return undefined
    if (this.#remembered.size >= maxRemembered) this.#remembered.delete(this.#remembered.keys().next().value as string)
    this.#remembered.set(token, payload)
    return payload
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
    return { keys: [{ use: 'sig', kid: this.#keyId, alg: algorithm, ...(this.#public.export({ format: 'jwk' }) as JWK) }] }
  }
}

/** PEM of an EC P-256 private key. */
export function newServiceAccountKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** Clocks of machines differ. */
const allowedSkewSeconds = 10

export function userNameOf(namespace: string, serviceAccount: string): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`
}

function userOf({ namespace, serviceaccount, pod, node }: PrivateClaim, id: string | undefined): UserInfo {
  const extra: Record<string, readonly string[]> = {}
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined) extra[`authentication.kubernetes.io/${name}`] = [value]
  }
  add('credential-id', id === undefined ? undefined : `JTI=${id}`)
  add('pod-name', pod?.name)
  add('pod-uid', pod?.uid)
  add('node-name', node?.name)
  add('node-uid', node?.uid)
  return {
    name: userNameOf(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra,
  }
}
