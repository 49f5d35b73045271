import type { CertificateSigningRequest } from '../../../api/generated/types.ts'
import { forbidden } from '../../../machinery/status.ts'
import { type AdmissionPlugin, isPartOf } from '../plugin.ts'
import { mayUseSigner, signingRequests } from './signer-permission.ts'

/** Who decides on a request for a certificate needs the verb `approve` on the signer besides being let into `approval`. */
export const certificateApproval: AdmissionPlugin = {
  name: 'CertificateApproval',
  validate(request, facts) {
    if (request.operation !== 'update' || !isPartOf(request, signingRequests, 'approval')) return
    const { signerName } = (request.previous as CertificateSigningRequest).spec
    if (mayUseSigner(request, facts, 'approve', signerName)) return
    throw forbidden(request.kind, request.name, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`)
  },
}
