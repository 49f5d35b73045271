import type { FieldError } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { immutableFaults } from '../field-checks.ts'
import type {
  DeviceRequest,
  ResourceClaimSpec,
  ResourceClaimTemplate,
  ResourceClaimTemplateSpec,
  ResourceV1ResourceClaim,
} from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { claimSpecFaults } from './claim-validation.ts'

type CountedRequest = { allocationMode?: string; count?: number; tolerations?: { operator?: string }[] }

function setRequestDefaults(request: CountedRequest): void {
  request.allocationMode ||= 'ExactCount'
  if (request.allocationMode === 'ExactCount') request.count ||= 1
  for (const toleration of request.tolerations ?? []) toleration.operator ||= 'Equal'
}

function setClaimSpecDefaults(spec: ResourceClaimSpec): void {
  for (const { exactly, firstAvailable } of (spec.devices?.requests ?? []) as DeviceRequest[]) {
    if (exactly) setRequestDefaults(exactly)
    for (const request of firstAvailable ?? []) setRequestDefaults(request)
  }
}

function stateText({ metadata, status }: ResourceV1ResourceClaim): string {
  const states = metadata.deletionTimestamp ? ['deleted'] : []
  if (status?.allocation) states.push('allocated', ...(status.reservedFor?.length ? ['reserved'] : []))
  else if (!metadata.deletionTimestamp) states.push('pending')
  return states.join(',')
}

export const resourceClaims = defineKind<ResourceV1ResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  typeName: 'ResourceV1ResourceClaim',
  plural: 'resourceclaims',
  namespaced: true,
  hasStatus: true,
  statusKeeps: allMetadata,
  columns: [nameColumn, column('State', 'string', 'Whether devices have been found for it.', stateText), ageColumn],
  setDefaults: (claim) => {
    claim.spec ??= {}
    setClaimSpecDefaults(claim.spec)
  },
  validate: ({ spec }): FieldError[] => [...claimSpecFaults('spec', spec)],
  validateUpdate: (claim, previous) => [...immutableFaults('spec', claim.spec, previous.spec)],
})

export const resourceClaimTemplates = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  namespaced: true,
  columns: [nameColumn, ageColumn],
  setDefaults: (template) => {
    template.spec ??= {} as ResourceClaimTemplateSpec
    template.spec.spec ??= {}
    setClaimSpecDefaults(template.spec.spec)
  },
  validate: ({ spec }): FieldError[] => [...claimSpecFaults('spec.spec', spec.spec)],
  validateUpdate: (template, previous) => [...immutableFaults('spec', template.spec, previous.spec)],
})
