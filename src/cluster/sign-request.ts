import { type SignCertificate, UnsignableRequestError } from '../controllers/certificates/signing.ts'
import type { KeyPair } from './issue-certificate.ts'

/** Signs by the cluster's authority. The X.509 library takes 100 ms to load: only when something has to be signed. */
export function signerOf(authority: KeyPair): SignCertificate {
  return async (wanted) => {
    const { signRequest } = await import('./issue-certificate.ts')
    const certificate = await signRequest(authority, wanted)
    if (certificate === undefined) throw new UnsignableRequestError('the signature of the request is not by the key that it asks for')
    return certificate
  }
}
