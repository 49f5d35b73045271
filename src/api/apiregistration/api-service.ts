import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dns1035LabelFaults, dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type { APIService, APIServiceSpec } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'

const statuses = ['True', 'False', 'Unknown']
const priorities = { groupPriorityMinimum: 20_000, versionPriority: 1000 }

const serviceText = ({ spec }: APIService): string => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local')

function availableText({ status }: APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === 'Available')
  if (!condition) return 'Unknown'
  return condition.status === 'True' || !condition.reason ? condition.status : `${condition.status} (${condition.reason})`
}

function* serviceFaults({ metadata, spec = {} as APIServiceSpec }: APIService): Faults {
  const { group = '', version = '', service } = spec
  const expected = `${version}.${group}`
  if (metadata.name && metadata.name !== expected)
    yield invalidValue('metadata.name', metadata.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(expected)}`)
  if (group) yield* dnsSubdomainFaults('spec.group', group)
  else if (version !== 'v1') yield required('spec.group', 'only v1 may have an empty group and it better be legacy kube')
  yield* dns1035LabelFaults('spec.version', version)
  for (const [field, most] of Object.entries(priorities)) {
    const value = spec[field as keyof typeof priorities] ?? 0
    if (value <= 0 || value > most) yield invalidValue(`spec.${field}`, value, `must be positive and less than ${most}`)
  }
  if (!service) {
    if (spec.caBundle)
      yield invalidValue(
        'spec.caBundle',
        `${Buffer.from(spec.caBundle, 'base64').length} bytes`,
        'local APIServices may not have a caBundle',
      )
    if (spec.insecureSkipTLSVerify)
      yield invalidValue('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify')
    return
  }
  if (!service.namespace) yield required('spec.service.namespace')
  if (!service.name) yield required('spec.service.name')
  const port = service.port ?? 443
  if (port < 1 || port > 65535) yield invalidValue('spec.service.port', port, 'port is not valid: must be between 1 and 65535, inclusive')
  if (spec.insecureSkipTLSVerify && spec.caBundle)
    yield invalidValue('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present')
}

function* statusFaults({ status }: APIService): Faults {
  for (const [index, condition] of (status?.conditions ?? []).entries()) {
    if (statuses.includes(condition.status)) continue
    yield notSupported(`status.conditions[${index}].status`, condition.status, statuses)
  }
}

/** What the server serves by itself is there. */
function startStatus(service: APIService): void {
  const available = {
    type: 'Available',
    status: 'True',
    reason: 'Local',
    message: 'Local APIServices are always available',
    ...(service.metadata.creationTimestamp ? { lastTransitionTime: service.metadata.creationTimestamp } : {}),
  }
  service.status = service.spec?.service ? {} : { conditions: [available] }
}

export const apiServices = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  namespaced: false,
  categories: ['api-extensions'],
  nameRule: 'path-segment',
  hasStatus: true,
  statusKeeps: allMetadata,
  columns: [
    nameColumn,
    column('Service', 'string', 'Who serves this version.', serviceText),
    column('Available', 'string', 'Whether it is served.', availableText),
    ageColumn,
  ],
  setDefaults: (service) => {
    service.spec ??= {} as APIServiceSpec
    if (service.spec.service) service.spec.service.port ??= 443
  },
  prepareForCreate: startStatus,
  validate: (service): FieldError[] => [...serviceFaults(service)],
  validateStatusUpdate: (service): FieldError[] => [...statusFaults(service)],
})
