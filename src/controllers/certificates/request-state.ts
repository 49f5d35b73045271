import type { CertificateSigningRequest } from '../../api/generated/types.ts'
import { type CertificateRequest, parseCertificateRequest } from '../../machinery/certificate-request.ts'

export const pemOf = (base64: string): string => Buffer.from(base64, 'base64').toString('latin1')

export function has({ status }: Pick<CertificateSigningRequest, 'status'>, type: string): boolean {
  return status?.conditions?.some((condition) => condition.type === type) === true
}

/** What is asked for; undefined where it cannot be read. */
export function askedIn({ spec }: CertificateSigningRequest): CertificateRequest | undefined {
  return parseCertificateRequest(pemOf(spec.request))
}

/** The request with one more condition, for its status or approval. */
export function withCondition(
  request: CertificateSigningRequest,
  type: 'Approved' | 'Failed',
  reason: string,
  message: string,
): CertificateSigningRequest {
  const conditions = [...(request.status?.conditions ?? []), { type, status: 'True', reason, message }]
  return { ...request, status: { ...request.status, conditions } }
}
