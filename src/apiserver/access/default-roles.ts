import type { PolicyRule, RbacV1Subject } from '../../api/generated/types.ts'
import { controllerRules } from './controller-roles.ts'
import { allow, everyVerb, read, readPaths, readVerbs, tellEvents, write } from './role-rules.ts'

/**
 * The roles that every cluster has, and who is bound to them: upstream's, by the table of
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
 */
export interface DefaultRole {
  readonly name: string
  /** Undefined: a ClusterRole. */
  readonly namespace?: string
  readonly rules?: readonly PolicyRule[]
  /** The rules are those of every ClusterRole labelled `rbac.authorization.k8s.io/aggregate-to-<this>`. */
  readonly gathers?: string
  /** Its own rules go to the role that gathers under this name. */
  readonly aggregatesTo?: string
  /** A binding of the same name gives it to these; undefined: no binding. */
  readonly boundTo?: readonly RbacV1Subject[]
}

const reviewOthers = [
  allow('create', 'authentication.k8s.io', 'tokenreviews'),
  allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
]

const rbac = 'rbac.authorization.k8s.io'
const user = (name: string): RbacV1Subject => ({ kind: 'User', apiGroup: rbac, name })
const group = (name: string): RbacV1Subject => ({ kind: 'Group', apiGroup: rbac, name })
const account = (name: string): RbacV1Subject => ({ kind: 'ServiceAccount', namespace: 'kube-system', name })
const everyone = [group('system:authenticated'), group('system:unauthenticated')]

const people: readonly DefaultRole[] = [
  {
    name: 'cluster-admin',
    rules: [allow('*', '*', '*'), { verbs: ['*'], nonResourceURLs: ['*'] }],
    boundTo: [group('system:masters')],
  },
  { name: 'admin', gathers: 'admin' },
  { name: 'edit', gathers: 'edit', aggregatesTo: 'admin' },
  { name: 'view', gathers: 'view', aggregatesTo: 'edit' },
  {
    name: 'system:aggregate-to-admin',
    aggregatesTo: 'admin',
    rules: [allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews'), allow(everyVerb, rbac, 'rolebindings roles')],
  },
  {
    name: 'system:aggregate-to-edit',
    aggregatesTo: 'edit',
    rules: [
      read('core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
      allow('impersonate', 'core', 'serviceaccounts'),
      write('core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
      allow('create', 'core', 'pods/eviction'),
      write(
        'core',
        'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
      ),
      allow('create', 'core', 'serviceaccounts/token'),
      write(
        'apps',
        'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
      ),
      write('autoscaling', 'horizontalpodautoscalers'),
      write('batch', 'cronjobs jobs'),
      write(
        'extensions',
        'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
      ),
      write('policy', 'poddisruptionbudgets'),
      write('networking.k8s.io', 'ingresses networkpolicies'),
      write('resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
      allow(everyVerb, 'coordination.k8s.io', 'leases'),
    ],
  },
  {
    name: 'system:aggregate-to-view',
    aggregatesTo: 'view',
    rules: [
      read(
        'core',
        'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
      ),
      read(
        'core',
        'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
      ),
      read('core', 'namespaces'),
      read('discovery.k8s.io', 'endpointslices'),
      read(
        'apps',
        'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
      ),
      read('autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
      read('batch', 'cronjobs cronjobs/status jobs jobs/status'),
      read(
        'extensions',
        'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
      ),
      read('policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
      read('networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
      read('resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
    ],
  },
]

const callers: readonly DefaultRole[] = [
  {
    name: 'system:basic-user',
    rules: [
      allow('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      allow('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ],
    boundTo: [group('system:authenticated')],
  },
  {
    name: 'system:discovery',
    rules: [
      readPaths('/api', '/api/*', '/apis', '/apis/*', '/healthz', '/livez', '/openapi', '/openapi/*', '/readyz', '/version', '/version/'),
    ],
    boundTo: [group('system:authenticated')],
  },
  { name: 'system:public-info-viewer', rules: [readPaths('/healthz', '/livez', '/readyz', '/version', '/version/')], boundTo: everyone },
  {
    name: 'system:monitoring',
    rules: [readPaths('/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/metrics/slis', '/readyz', '/readyz/*')],
    boundTo: [group('system:monitoring')],
  },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [readPaths('/.well-known/openid-configuration', '/.well-known/openid-configuration/', '/openid/v1/jwks', '/openid/v1/jwks/')],
    boundTo: [group('system:serviceaccounts')],
  },
  {
    name: 'system:cluster-trust-bundle-discovery',
    rules: [read('certificates.k8s.io', 'clustertrustbundles')],
    boundTo: [group('system:serviceaccounts')],
  },
  { name: 'system:auth-delegator', rules: reviewOthers },
  { name: 'system:heapster', rules: [read('core', 'events namespaces nodes pods'), read('extensions', 'deployments')] },
]

const components: readonly DefaultRole[] = [
  {
    name: 'system:kube-controller-manager',
    rules: [
      tellEvents,
      allow('create', 'coordination.k8s.io', 'leases'),
      allow('get update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
      allow('create', 'core', 'secrets serviceaccounts'),
      allow('delete', 'core', 'secrets'),
      allow('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
      allow('update', 'core', 'secrets serviceaccounts'),
      ...reviewOthers,
      allow('list watch', '*', '*'),
      allow('create', 'core', 'serviceaccounts/token'),
    ],
    boundTo: [user('system:kube-controller-manager')],
  },
  {
    name: 'system:kube-scheduler',
    rules: [
      tellEvents,
      allow('create', 'coordination.k8s.io', 'leases'),
      allow('get list update watch', 'coordination.k8s.io', 'leases', 'kube-scheduler'),
      allow(everyVerb, 'coordination.k8s.io', 'leasecandidates'),
      read('core', 'nodes'),
      allow('delete get list watch', 'core', 'pods'),
      allow('create', 'core', 'bindings pods/binding'),
      allow('patch update', 'core', 'pods/status'),
      read('core', 'replicationcontrollers services'),
      read('apps extensions', 'replicasets'),
      read('apps', 'statefulsets'),
      read('policy', 'poddisruptionbudgets'),
      read('core', 'persistentvolumeclaims persistentvolumes'),
      ...reviewOthers,
      read('storage.k8s.io', 'csinodes csidrivers csistoragecapacities volumeattachments'),
      read('core', 'namespaces'),
      read('resource.k8s.io', 'deviceclasses resourceslices'),
      allow('get list patch update watch', 'resource.k8s.io', 'resourceclaims'),
      allow('get list patch update watch', 'resource.k8s.io', 'resourceclaims/status'),
      allow('patch update', 'resource.k8s.io', 'resourceclaims/binding'),
      allow('get list patch update watch', 'core', 'pods/finalizers'),
    ],
    boundTo: [user('system:kube-scheduler')],
  },
  {
    name: 'system:volume-scheduler',
    rules: [
      allow('get list patch update watch', 'core', 'persistentvolumes'),
      read('storage.k8s.io', 'storageclasses'),
      allow('get list patch update watch', 'core', 'persistentvolumeclaims'),
    ],
    boundTo: [user('system:kube-scheduler')],
  },
  {
    name: 'system:kube-dns',
    rules: [allow('list watch', 'core', 'endpoints services')],
    boundTo: [account('kube-dns')],
  },
  { name: 'system:kube-aggregator', rules: [read('core', 'endpoints services')] },
  {
    name: 'system:node-proxier',
    rules: [
      allow('list watch', 'core', 'endpoints services'),
      read('core', 'nodes'),
      tellEvents,
      allow('list watch', 'discovery.k8s.io', 'endpointslices'),
      allow('list watch', 'networking.k8s.io', 'servicecidrs'),
    ],
    boundTo: [user('system:kube-proxy')],
  },
  {
    name: 'system:persistent-volume-provisioner',
    rules: [
      allow('create delete get list watch', 'core', 'persistentvolumes'),
      allow('get list update watch', 'core', 'persistentvolumeclaims'),
      read('storage.k8s.io', 'storageclasses'),
      allow('watch', 'core', 'events'),
      tellEvents,
    ],
  },
]

const csr = 'certificatesigningrequests'
const signers: readonly DefaultRole[] = ['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map(
  (signer) => ({
    name: `system:certificates.k8s.io:${signer}-approver`,
    rules: [allow('approve', 'certificates.k8s.io', 'signers', `kubernetes.io/${signer}`)],
  }),
)

const nodes: readonly DefaultRole[] = [
  {
    name: 'system:node',
    rules: [
      allow('create', 'authentication.k8s.io', 'tokenreviews'),
      allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
      read('core', 'services'),
      allow('create get list watch', 'core', 'nodes'),
      allow('patch update', 'core', 'nodes/status'),
      allow('patch update', 'core', 'nodes'),
      allow('create patch update', 'core', 'events'),
      read('core', 'pods'),
      allow('create delete', 'core', 'pods'),
      allow('patch update', 'core', 'pods/status'),
      allow('create', 'core', 'pods/eviction'),
      read('core', 'configmaps secrets'),
      allow('get', 'core', 'persistentvolumeclaims persistentvolumes'),
      allow('get', 'core', 'endpoints'),
      allow('create get list watch', 'certificates.k8s.io', csr),
      allow('create delete get patch update', 'coordination.k8s.io', 'leases'),
      allow('get', 'storage.k8s.io', 'volumeattachments'),
      allow('create', 'core', 'serviceaccounts/token'),
      allow('get patch update', 'core', 'persistentvolumeclaims/status'),
      read('storage.k8s.io', 'csidrivers'),
      allow('create delete get patch update', 'storage.k8s.io', 'csinodes'),
      read('node.k8s.io', 'runtimeclasses'),
      allow('get', 'resource.k8s.io', 'resourceclaims'),
      allow('deletecollection', 'resource.k8s.io', 'resourceslices'),
      read('certificates.k8s.io', 'clustertrustbundles'),
      allow('create get list watch', 'certificates.k8s.io', 'podcertificaterequests'),
      allow('get', 'core', 'serviceaccounts'),
    ],
    // Nodes are let in by the Node authorizer, which looks at what each one needs.
    boundTo: [],
  },
  { name: 'system:node-bootstrapper', rules: [allow('create get list watch', 'certificates.k8s.io', csr)] },
  {
    name: 'system:node-problem-detector',
    rules: [allow('get', 'core', 'nodes'), allow('patch', 'core', 'nodes/status'), tellEvents],
  },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      read('core', 'nodes'),
      allow('proxy', 'core', 'nodes'),
      allow('*', 'core', 'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats'),
    ],
  },
  {
    name: 'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
    rules: [allow('create', 'certificates.k8s.io', `${csr}/nodeclient`)],
  },
  {
    name: 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    rules: [allow('create', 'certificates.k8s.io', `${csr}/selfnodeclient`)],
  },
  ...signers,
]

const leaderElection = (component: string): DefaultRole => ({
  name: `system::leader-locking-${component}`,
  namespace: 'kube-system',
  rules: [
    allow('create get list update watch', 'coordination.k8s.io', 'leases'),
    allow('create get list update watch', 'coordination.k8s.io', 'leasecandidates'),
  ],
  boundTo: [user(`system:${component}`), account(component)],
})

const inNamespaces: readonly DefaultRole[] = [
  {
    name: 'extension-apiserver-authentication-reader',
    namespace: 'kube-system',
    rules: [allow(readVerbs, 'core', 'configmaps', 'extension-apiserver-authentication')],
    boundTo: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  },
  leaderElection('kube-controller-manager'),
  leaderElection('kube-scheduler'),
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-system',
    rules: [read('core', 'secrets')],
    boundTo: [account('bootstrap-signer')],
  },
  {
    name: 'system:controller:cloud-provider',
    namespace: 'kube-system',
    rules: [allow('create get list watch', 'core', 'configmaps')],
    boundTo: [account('cloud-provider')],
  },
  {
    name: 'system:controller:token-cleaner',
    namespace: 'kube-system',
    rules: [allow('delete get list watch', 'core', 'secrets'), tellEvents],
    boundTo: [account('token-cleaner')],
  },
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-public',
    rules: [read('core', 'configmaps'), allow('update', 'core', 'configmaps', 'cluster-info'), tellEvents],
    boundTo: [account('bootstrap-signer')],
  },
]

const controllers = Object.entries(controllerRules).map(
  ([name, rules]): DefaultRole => ({ name: `system:controller:${name}`, rules, boundTo: [account(name)] }),
)

export const defaultRoles: readonly DefaultRole[] = [...people, ...callers, ...components, ...nodes, ...controllers, ...inNamespaces]
