import { createHmac } from 'node:crypto'

const coded = (text: string): string => Buffer.from(text).toString('base64url')

/** `<header>..<signature>`: a JSON Web Signature (RFC 7515, appendix F) of what is not in it, by a token's secret. */
export function detachedSignature(content: string, tokenId: string, tokenSecret: string): string {
  const header = coded(JSON.stringify({ alg: 'HS256', kid: tokenId }))
  const signature = createHmac('sha256', tokenSecret)
    .update(`${header}.${coded(content)}`)
    .digest('base64url')
  return `${header}..${signature}`
}
