import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  ResourcePolicyRule,
} from '../../api/generated/types.ts'

export const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec'

type Subject = PolicyRulesWithSubjects['subjects'][number]
type NewFlowSchema = Pick<FlowSchema, 'spec'> & { readonly metadata: { readonly name: string } }
type NewLevel = Pick<PriorityLevelConfiguration, 'spec'> & { readonly metadata: { readonly name: string } }

const group = (name: string): Subject => ({ kind: 'Group', group: { name } })
const user = (name: string): Subject => ({ kind: 'User', user: { name } })
const serviceAccountsOf = (namespace: string): Subject => ({ kind: 'ServiceAccount', serviceAccount: { name: '*', namespace } })
const everybody = [group('system:unauthenticated'), group('system:authenticated')]

const allResources: ResourcePolicyRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }
const allPaths: NonResourcePolicyRule = { verbs: ['*'], nonResourceURLs: ['*'] }
const all = { resourceRules: [allResources], nonResourceRules: [allPaths] }

function schema(
  name: string,
  level: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  rules: PolicyRulesWithSubjects,
): NewFlowSchema {
  const distinguisherMethod = distinguisher && { distinguisherMethod: { type: distinguisher } }
  return {
    metadata: { name },
    spec: { priorityLevelConfiguration: { name: level }, matchingPrecedence, ...distinguisherMethod, rules: [rules] },
  }
}

function queued(name: string, shares: number, lendablePercent: number, queues: number, handSize: number): NewLevel {
  const limitResponse = { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } }
  return { metadata: { name }, spec: { type: 'Limited', limited: { nominalConcurrencyShares: shares, lendablePercent, limitResponse } } }
}

/** Without these nothing could be served: they cannot be done away with, nor changed but for what `exempt` lends. */
export const mandatoryLevels: readonly NewLevel[] = [
  { metadata: { name: 'exempt' }, spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } } },
  {
    metadata: { name: 'catch-all' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } } },
  },
]

/** What upstream suggests to begin with: administrators may change them, once they say so in the annotation. */
export const suggestedLevels: readonly NewLevel[] = [
  queued('system', 30, 33, 64, 6),
  queued('node-high', 40, 25, 64, 6),
  queued('leader-election', 10, 0, 16, 4),
  queued('workload-high', 40, 50, 128, 6),
  queued('workload-low', 100, 90, 128, 6),
  queued('global-default', 20, 50, 128, 6),
]

export const mandatorySchemas: readonly NewFlowSchema[] = [
  schema('exempt', 'exempt', 1, undefined, { subjects: [group('system:masters')], ...all }),
  schema('catch-all', 'catch-all', 10_000, 'ByUser', { subjects: everybody, ...all }),
]

export const suggestedSchemas: readonly NewFlowSchema[] = [
  schema('probes', 'exempt', 2, undefined, {
    subjects: everybody,
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  schema('system-leader-election', 'leader-election', 100, 'ByUser', {
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler'), serviceAccountsOf('kube-system')],
    resourceRules: [{ verbs: ['get', 'create', 'update'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] }],
  }),
  // The heartbeats of nodes: nothing that anybody else asks for takes their seats.
  schema('system-node-high', 'node-high', 400, 'ByUser', {
    subjects: [group('system:nodes')],
    resourceRules: [
      { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], namespaces: ['*'], clusterScope: true },
      { verbs: ['*'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] },
    ],
  }),
  schema('system-nodes', 'system', 500, 'ByUser', { subjects: [group('system:nodes')], ...all }),
  schema('kube-controller-manager', 'workload-high', 800, 'ByNamespace', { subjects: [user('system:kube-controller-manager')], ...all }),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', { subjects: [user('system:kube-scheduler')], ...all }),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', { subjects: [serviceAccountsOf('kube-system')], ...all }),
  schema('service-accounts', 'workload-low', 9000, 'ByUser', { subjects: [group('system:serviceaccounts')], ...all }),
  schema('global-default', 'global-default', 9900, 'ByUser', { subjects: everybody, ...all }),
]
