import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { Ingress, IngressRule } from '../generated/types.ts'
import { ingressWarnings, validateIngress, validateIngressStatus } from './ingress-validation.ts'

const shownHosts = 3

function hostsText(rules: readonly IngressRule[] = []): string {
  const hosts = rules.slice(0, shownHosts).flatMap(({ host }) => (host ? [host] : []))
  if (hosts.length === 0) return '*'
  return rules.length > shownHosts ? `${hosts.join(',')} + ${rules.length - shownHosts} more...` : hosts.join(',')
}

function addressText({ status }: Ingress): string {
  const addresses = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || [])
  return [...new Set(addresses)].sort().join(',')
}

export const ingresses = defineKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  namespaced: true,
  shortNames: ['ing'],
  hasStatus: true,
  newStatus: { loadBalancer: {} },
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Class', 'string', 'The IngressClass that serves it.', ({ spec }) => spec.ingressClassName ?? none),
    column('Hosts', 'string', 'Hosts that its rules name.', ({ spec }) => hostsText(spec.rules)),
    column('Address', 'string', 'Where it is reached.', addressText),
    column('Ports', 'string', 'Ports that are open.', ({ spec }) => (spec.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
  setDefaults: (ingress) => {
    ingress.spec ??= {}
  },
  validate: validateIngress,
  validateStatusUpdate: validateIngressStatus,
  warnings: ingressWarnings,
})
