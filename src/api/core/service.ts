import { defineKind } from '../define-kind.ts'
import type { Service } from '../generated/types.ts'

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
})
