import type { Verb } from '../../route.ts'
import type { AdmissionFacts, AdmissionRequest } from '../plugin.ts'

const group = 'certificates.k8s.io'

export const signingRequests = { group, plural: 'certificatesigningrequests' }

/** Whether the caller has the verb on a signer: on `example.com/serving` itself, or on all of its domain, `example.com/*`. */
export function mayUseSigner({ user }: AdmissionRequest, { allows }: AdmissionFacts, verb: string, signerName: string): boolean {
  const domain = signerName.split('/')[0] as string
  return [signerName, `${domain}/*`].some((name) => {
    const signer = { group, version: '*', plural: 'signers', namespace: undefined, name, subresource: undefined }
    // None of the verbs that requests have.
    return allows(user, { type: 'resource', verb: verb as Verb, ...signer })
  })
}
