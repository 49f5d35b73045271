import type { CertificateSigningRequest } from '../../../api/generated/types.ts'
import { deepEqual } from '../../../machinery/equality.ts'
import { forbidden } from '../../../machinery/status.ts'
import { type AdmissionPlugin, isPartOf } from '../plugin.ts'
import { mayUseSigner, signingRequests } from './signer-permission.ts'

/** Who issues a certificate, or says why there is none, needs the verb `sign` on the signer besides being let into `status`. */
export const certificateSigning: AdmissionPlugin = {
  name: 'CertificateSigning',
  validate(request, facts) {
    if (request.operation !== 'update' || !isPartOf(request, signingRequests, 'status')) return
    const [next, previous] = [request.object as CertificateSigningRequest, request.previous as CertificateSigningRequest]
    const same = (field: 'certificate' | 'conditions'): boolean => deepEqual(next.status?.[field] ?? [], previous.status?.[field] ?? [])
    if (same('certificate') && same('conditions')) return
    const { signerName } = previous.spec
    if (mayUseSigner(request, facts, 'sign', signerName)) return
    throw forbidden(request.kind, request.name, `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`)
  },
}
