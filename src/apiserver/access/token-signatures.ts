import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { JWK, JWTPayload } from 'jose'
import { RefusedTokenError } from './token-authenticator.ts'

export const algorithm = 'ES256'
/** Tokens whose signature has been checked; checking takes a tenth of a millisecond, and clients send theirs with every request. */
const maxRemembered = 2_000

/** Signs JWTs of one issuer, and knows them again. */
export class TokenSignatures {
  readonly issuer: string
  readonly #private: KeyObject
  readonly #public: KeyObject
  readonly #keyId: string
  readonly #remembered = new Map<string, JWTPayload>()

  /** `key`: PEM of an EC P-256 private key. */
  constructor(issuer: string, key: string) {
    this.issuer = issuer
    this.#private = createPrivateKey(key)
    this.#public = createPublicKey(this.#private)
    this.#keyId = createHash('sha256')
      .update(this.#public.export({ type: 'spki', format: 'der' }))
      .digest('base64url')
  }

  async sign(claims: JWTPayload): Promise<string> {
    const { SignJWT } = await import('jose')
    return await new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid: this.#keyId }).setIssuer(this.issuer).sign(this.#private)
  }

  /** What a token claims. Undefined: it is none of this issuer's. Throws RefusedTokenError where the signature is not by the key. */
  async claimsOf(token: string): Promise<JWTPayload | undefined> {
    const known = this.#remembered.get(token)
    if (known) return known
    const { compactVerify, decodeJwt, errors } = await import('jose')
    let payload: JWTPayload
    try {
      payload = decodeJwt(token)
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
    if (payload.iss !== this.issuer) return undefined
    try {
      await compactVerify(token, this.#public, { algorithms: [algorithm] })
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError)
        throw new RefusedTokenError('the signature of the token is not valid')
      throw error
    }
    if (this.#remembered.size >= maxRemembered) this.#remembered.delete(this.#remembered.keys().next().value as string)
    this.#remembered.set(token, payload)
    return payload
  }

  publicKey(): JWK {
    return { use: 'sig', kid: this.#keyId, alg: algorithm, ...(this.#public.export({ format: 'jwk' }) as JWK) }
  }
}

/** PEM of an EC P-256 private key. */
export function newServiceAccountKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}
