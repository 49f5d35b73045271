import type { UserInfo } from '../../machinery/api-request.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { humanDuration } from '../duration.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestSpec } from '../generated/types.ts'
import type { StatusUpdate } from '../kind.ts'
import { countOf, validateSigningRequest, validateSigningRequestStatus } from './certificate-signing-request-validation.ts'

function conditionText({ status }: CertificateSigningRequest): string {
  const has = (type: string): boolean => status?.conditions?.some((condition) => condition.type === type) === true
  const decided = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'
  return `${decided}${has('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`
}

/** Who asks is what the server saw, whatever the request says. */
function noteRequester(request: CertificateSigningRequest, by: UserInfo | undefined): void {
  request.status = {}
  const { username: _u, uid: _i, groups: _g, extra: _e, ...spec } = request.spec
  request.spec = {
    ...spec,
    ...(by
      ? {
          username: by.name,
          ...(by.uid ? { uid: by.uid } : {}),
          ...(by.groups.length > 0 ? { groups: [...by.groups] } : {}),
          ...(by.extra && Object.keys(by.extra).length > 0
            ? { extra: Object.fromEntries(Object.entries(by.extra).map(([key, values]) => [key, [...values]])) }
            : {}),
        }
      : {}),
  }
}

type Condition = CertificateSigningRequestCondition

/** A status that tells the decisions anew leaves them as they were made; every condition says since when it holds. */
function prepareStatus(request: CertificateSigningRequest, previous: CertificateSigningRequest, { part, time }: StatusUpdate): void {
  const before = previous.status?.conditions ?? []
  const given = request.status?.conditions
  if (!given?.length) return
  const isKept = ({ type }: Condition): boolean =>
    part === 'status' && (type === 'Approved' || type === 'Denied') && countOf(request, type) === countOf(previous, type)
  const conditions = given.map((condition) => {
    if (isKept(condition)) return before.find(({ type }) => type === condition.type) as Condition
    const same = before.find(({ type, status }) => type === condition.type && status === condition.status)
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? time,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? time,
    }
  })
  request.status = { ...request.status, conditions }
}

export const certificateSigningRequests = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  namespaced: false,
  shortNames: ['csr'],
  nameRule: 'path-segment',
  hasStatus: true,
  subresources: [
    {
      name: 'approval',
      kind: 'CertificateSigningRequest',
      group: 'certificates.k8s.io',
      version: 'v1',
      verbs: ['get', 'patch', 'update'],
    },
  ],
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', 'string', 'Who is to sign.', ({ spec }) => spec.signerName || none),
    column('Requestor', 'string', 'Who asked.', ({ spec }) => spec.username ?? ''),
    column('RequestedDuration', 'string', 'How long the certificate is to hold.', ({ spec }) =>
      spec.expirationSeconds === undefined ? none : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', 'string', 'What has been decided.', conditionText),
  ],
  selectableFields: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  setDefaults: (request) => {
    request.spec ??= {} as CertificateSigningRequestSpec
  },
  prepareForCreate: noteRequester,
  prepareForUpdate: (request, previous) => {
    request.spec = previous.spec
  },
  prepareForStatusUpdate: prepareStatus,
  validate: validateSigningRequest,
  validateStatusUpdate: validateSigningRequestStatus,
})
