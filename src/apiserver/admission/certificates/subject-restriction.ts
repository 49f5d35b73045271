import type { CertificateSigningRequest } from '../../../api/generated/types.ts'
import { parseCertificateRequest } from '../../../machinery/certificate-request.ts'
import { forbidden } from '../../../machinery/status.ts'
import { type AdmissionPlugin, isOf } from '../plugin.ts'
import { signingRequests } from './signer-permission.ts'

const clientSigner = 'kubernetes.io/kube-apiserver-client'

/** Nobody becomes a cluster administrator by a request for a certificate. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  validate(request) {
    if (request.operation !== 'create' || !isOf(request, signingRequests)) return
    const { spec } = request.object as CertificateSigningRequest
    if (spec.signerName !== clientSigner) return
    const asked = parseCertificateRequest(Buffer.from(spec.request, 'base64').toString('latin1'))
    if (!asked?.organizations.includes('system:masters')) return
    throw forbidden(request.kind, request.name, `use of ${clientSigner} signer with system:masters group is not allowed`)
  },
}
