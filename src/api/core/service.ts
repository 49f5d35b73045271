import { defineKind } from '../define-kind.ts'
import type { Service } from '../generated/types.ts'
import { serviceColumns } from './service-columns.ts'
import { setServiceDefaults } from './service-defaults.ts'
import { alignClusterIps, carryOverService } from './service-update.ts'
import { validateService, validateServiceStatus, validateServiceUpdate } from './service-validation.ts'
import { serviceWarnings } from './service-warnings.ts'

export const services = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  namespaced: true,
  shortNames: ['svc'],
  categories: ['all'],
  nameRule: 'dns-label',
  hasStatus: true,
  subresources: [
    { name: 'proxy', kind: 'ServiceProxyOptions', group: '', version: 'v1', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
  ],
  columns: serviceColumns,
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '',
    'spec.type': ({ spec }) => spec.type ?? '',
  },
  setDefaults: setServiceDefaults,
  prepareForCreate: (service) => {
    service.status = { loadBalancer: {} }
    alignClusterIps(service)
  },
  prepareForUpdate: carryOverService,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  validateStatusUpdate: validateServiceStatus,
  warnings: serviceWarnings,
})
