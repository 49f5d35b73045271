import { certificateRequestFault } from '../../machinery/certificate-request.ts'
import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { certificateIn, pemBlocks } from '../../machinery/pem.ts'
import type { Faults } from '../field-checks.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../generated/types.ts'
import type { StatusUpdate } from '../kind.ts'

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

const textOf = (base64: string): string => Buffer.from(base64, 'base64').toString('latin1')

/** One or more PEM certificates, and nothing that is another kind of block. */
function certificateFault(certificate: string): string | undefined {
  const blocks = pemBlocks(textOf(certificate))
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block'
  for (const block of blocks) {
    if (block.label !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(block.label)}`
    if (block.hasHeaders) return 'no PEM block headers are permitted'
    if (!certificateIn(block)) return 'x509: malformed certificate'
  }
  return undefined
}

function* specFaults({ spec }: CertificateSigningRequest): Faults {
  const fault = certificateRequestFault(textOf(spec.request ?? ''))
  if (fault) yield invalidValue('spec.request', spec.request ?? '', fault)
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

type Condition = CertificateSigningRequestCondition

const decisions = ['Approved', 'Denied']

function* conditionFaults(conditions: readonly Condition[] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { type, status }] of conditions.entries()) {
    const path = `status.conditions[${index}]`
    if (!type) yield required(`${path}.type`)
    const statuses = ['Approved', 'Denied', 'Failed'].includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (!status) yield required(`${path}.status`)
    else if (!statuses.includes(status)) yield notSupported(`${path}.status`, status, statuses)
    if (decisions.includes(type) && decisions.some((other) => other !== type && seen.has(other))) {
      yield invalidValue(`${path}.type`, type, 'Approved and Denied conditions are mutually exclusive')
    }
    if (seen.has(type)) yield duplicate(`${path}.type`, type)
    seen.add(type)
  }
}

export const validateSigningRequest = (request: CertificateSigningRequest): FieldError[] => [...specFaults(request)]

/** How often the status holds a condition of the type. */
export const countOf = ({ status }: CertificateSigningRequest, type: string): number =>
  (status?.conditions ?? []).filter((condition) => condition.type === type).length

/** A decision once made stays, and is made nowhere but in `approval`. */
function* decisionFaults(request: CertificateSigningRequest, previous: CertificateSigningRequest, part: StatusUpdate['part']): Faults {
  const path = 'status.conditions'
  for (const type of ['Approved', 'Denied', 'Failed']) {
    const more = countOf(request, type) - countOf(previous, type)
    if (more < 0) yield forbiddenField(path, `updates may not remove a condition of type ${JSON.stringify(type)}`)
    const isElsewhere = part !== 'approval' && decisions.includes(type)
    if (more > 0 && isElsewhere) yield forbiddenField(path, `updates may not add a condition of type ${JSON.stringify(type)}`)
  }
}

function* certificateFaults({ status }: CertificateSigningRequest, previous: CertificateSigningRequest): Faults {
  const issued = previous.status?.certificate
  const certificate = status?.certificate
  if (certificate === issued) return
  const fault = certificate && certificateFault(certificate)
  if (fault) yield invalidValue('status.certificate', '<certificate data>', fault)
  if (issued) yield forbiddenField('status.certificate', 'updates may not modify existing certificate content')
}

export const validateSigningRequestStatus = (
  request: CertificateSigningRequest,
  previous: CertificateSigningRequest,
  part: StatusUpdate['part'],
): FieldError[] => [
  ...conditionFaults(request.status?.conditions),
  ...decisionFaults(request, previous, part),
  ...certificateFaults(request, previous),
]
