import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../generated/types.ts'

const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]
const minSeconds = 600

/** `example.com/serving`: a domain of at least two parts, and names behind it. */
export function* signerNameFaults(path: string, name: string): Faults {
  if (!name) return yield required(path)
  const [domain = '', ...rest] = name.split('/')
  if (rest.length !== 1) {
    yield invalidValue(path, name, `must be a fully qualified domain and path of the form 'example.com/signer-name'`)
  } else if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/.test(domain)) {
    yield invalidValue(path, name, 'should be a domain with at least two segments separated by dots')
  }
}

function isRequest(base64: string): boolean {
  const text = Buffer.from(base64, 'base64').toString('latin1')
  return /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[\s\S]+-----END (?:NEW )?CERTIFICATE REQUEST-----/.test(text)
}

function* specFaults({ spec }: CertificateSigningRequest): Faults {
  if (!spec.request || !isRequest(spec.request))
    yield invalidValue('spec.request', spec.request ?? '', 'PEM block type must be CERTIFICATE REQUEST')
  if (!spec.usages?.length) yield required('spec.usages')
  const seen = new Set<string>()
  for (const [index, usage] of (spec.usages ?? []).entries()) {
    if (!usages.includes(usage)) yield notSupported(`spec.usages[${index}]`, usage, usages)
    if (seen.has(usage)) yield duplicate(`spec.usages[${index}]`, usage)
    seen.add(usage)
  }
  if (spec.signerName === 'kubernetes.io/legacy-unknown') {
    yield invalidValue('spec.signerName', spec.signerName, 'the legacy signerName is not allowed via this API version')
  } else yield* signerNameFaults('spec.signerName', spec.signerName ?? '')
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < minSeconds) {
    yield invalidValue('spec.expirationSeconds', spec.expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)')
  }
}

function* conditionFaults(conditions: readonly CertificateSigningRequestCondition[] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { type, status }] of conditions.entries()) {
    const path = `status.conditions[${index}]`
    if (!type) yield required(`${path}.type`)
    const statuses = ['Approved', 'Denied', 'Failed'].includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (!status) yield required(`${path}.status`)
    else if (!statuses.includes(status)) yield notSupported(`${path}.status`, status, statuses)
    if (seen.has(type)) yield duplicate(`${path}.type`, type)
    seen.add(type)
  }
  if (seen.has('Approved') && seen.has('Denied')) {
    yield invalidValue('status.conditions', 'Denied', 'Approved and Denied conditions are mutually exclusive')
  }
}

export const validateSigningRequest = (request: CertificateSigningRequest): FieldError[] => [...specFaults(request)]

/** A decision once made stays: conditions of these types are neither added with the request nor taken away. */
function* decisionFaults(request: CertificateSigningRequest, previous: CertificateSigningRequest): Faults {
  const types = (of: CertificateSigningRequest): string[] => (of.status?.conditions ?? []).map(({ type }) => type)
  for (const type of ['Approved', 'Denied', 'Failed']) {
    if (types(previous).includes(type) && !types(request).includes(type)) {
      yield forbiddenField('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`)
    }
  }
}

export const validateSigningRequestStatus = (request: CertificateSigningRequest, previous: CertificateSigningRequest): FieldError[] => [
  ...conditionFaults(request.status?.conditions),
  ...decisionFaults(request, previous),
]
