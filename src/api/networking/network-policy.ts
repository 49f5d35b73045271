import { selectorText } from '../apps/template-columns.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { NetworkPolicy, NetworkPolicySpec } from '../generated/types.ts'
import { networkPolicyWarnings, validateNetworkPolicy } from './network-policy-validation.ts'

/** Incoming traffic is always meant; outgoing where there is a rule for it. */
function setNetworkPolicyDefaults(policy: NetworkPolicy): void {
  policy.spec ??= {} as NetworkPolicySpec
  const { spec } = policy
  spec.podSelector ??= {}
  for (const { ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of ports ?? []) port.protocol ??= 'TCP'
  if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
}

export const networkPolicies = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
  shortNames: ['netpol'],
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Pod-Selector', 'string', 'Labels of the pods it is about.', ({ spec }) => selectorText(spec?.podSelector)),
    ageColumn,
  ],
  setDefaults: setNetworkPolicyDefaults,
  validate: validateNetworkPolicy,
  warnings: networkPolicyWarnings,
})
