import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { PodCertificateRequest, PodCertificateRequestSpec } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { signerNameFaults } from './certificate-signing-request-validation.ts'

const seconds = { least: 3600, most: 91 * 24 * 3600 }
const names = ['podName', 'serviceAccountName', 'nodeName'] as const
const uids = ['podUID', 'serviceAccountUID', 'nodeUID'] as const

function stateText({ status }: PodCertificateRequest): string {
  return status?.conditions?.find(({ type }) => ['Issued', 'Denied', 'Failed'].includes(type))?.type ?? 'Pending'
}

function* requestFaults({ spec }: PodCertificateRequest): Faults {
  yield* signerNameFaults('spec.signerName', spec.signerName ?? '')
  for (const field of names) yield* dnsSubdomainFaults(`spec.${field}`, spec[field] ?? '')
  for (const field of uids) if (!spec[field]) yield required(`spec.${field}`, `${field} must not be empty`)
  const { maxExpirationSeconds: most, stubPKCS10Request } = spec
  if (most === undefined) yield required('spec.maxExpirationSeconds', 'must be set')
  else if (most < seconds.least || most > seconds.most) {
    yield invalidValue('spec.maxExpirationSeconds', most, `must be in the range [${seconds.least}, ${seconds.most}]`)
  }
  if (!stubPKCS10Request) yield required('spec.stubPKCS10Request')
}

export const podCertificateRequests = defineKind<PodCertificateRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'PodCertificateRequest',
  plural: 'podcertificaterequests',
  namespaced: true,
  hasStatus: true,
  statusKeeps: allMetadata,
  columns: [
    nameColumn,
    column('PodName', 'string', 'The pod that asks.', ({ spec }) => spec.podName ?? ''),
    column('ServiceAccountName', 'string', 'Its service account.', ({ spec }) => spec.serviceAccountName ?? ''),
    column('NodeName', 'string', 'Its node.', ({ spec }) => spec.nodeName ?? ''),
    column('SignerName', 'string', 'Who is to sign.', ({ spec }) => spec.signerName ?? ''),
    column('State', 'string', 'What has been decided.', stateText),
    ageColumn,
  ],
  selectableFields: {
    'spec.signerName': ({ spec }) => spec.signerName ?? '',
    'spec.podName': ({ spec }) => spec.podName ?? '',
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
  },
  setDefaults: (request) => {
    request.spec ??= {} as PodCertificateRequestSpec
    request.spec.maxExpirationSeconds ??= 24 * 3600
  },
  validate: (request): FieldError[] => [...requestFaults(request)],
  validateUpdate: (request, previous) => [...immutableFaults('spec', request.spec, previous.spec)],
})
