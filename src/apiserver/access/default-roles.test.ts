import { expect, test } from 'vitest'
import type { Verb } from '../route.ts'
import { type DefaultRole, defaultRoles } from './default-roles.ts'
import { ruleAllows } from './rbac-rules.ts'

/** Facts of upstream's tables: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings */

const inCluster = defaultRoles.filter(({ namespace }) => namespace === undefined)
const named = (name: string): DefaultRole => defaultRoles.find((role) => role.name === name) as DefaultRole
const subjectsOf = ({ boundTo = [] }: DefaultRole): string[] => boundTo.map(({ kind, name }) => `${kind} ${name}`)
const lines = (text: string): string[] => text.trim().split(/\s+/)

test('roles of people, components and nodes are those of upstream', () => {
  expect(inCluster.map(({ name }) => name).filter((name) => !name.startsWith('system:controller:'))).toEqual(
    expect.arrayContaining(
      lines(`admin cluster-admin edit view system:aggregate-to-admin system:aggregate-to-edit system:aggregate-to-view
      system:auth-delegator system:basic-user system:cluster-trust-bundle-discovery system:discovery system:heapster
      system:kube-aggregator system:kube-controller-manager system:kube-dns system:kube-scheduler system:kubelet-api-admin
      system:monitoring system:node system:node-bootstrapper system:node-problem-detector system:node-proxier
      system:persistent-volume-provisioner system:public-info-viewer system:service-account-issuer-discovery system:volume-scheduler
      system:certificates.k8s.io:certificatesigningrequests:nodeclient
      system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
      system:certificates.k8s.io:kube-apiserver-client-approver system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
      system:certificates.k8s.io:kubelet-serving-approver system:certificates.k8s.io:legacy-unknown-approver`),
    ),
  )
})

test('so are those of controllers, each bound to its account', () => {
  const controllers = inCluster.filter(({ name }) => name.startsWith('system:controller:'))
  expect(controllers.map(({ name }) => name.slice('system:controller:'.length)).sort()).toEqual(
    lines(`attachdetach-controller certificate-controller clusterrole-aggregation-controller cronjob-controller
    daemon-set-controller deployment-controller device-taint-eviction-controller disruption-controller endpoint-controller
    endpointslice-controller endpointslicemirroring-controller ephemeral-volume-controller expand-controller
    generic-garbage-collector horizontal-pod-autoscaler job-controller kube-apiserver-serving-clustertrustbundle-publisher
    legacy-service-account-token-cleaner namespace-controller node-controller persistent-volume-binder pod-garbage-collector
    podcertificaterequestcleaner pv-protection-controller pvc-protection-controller replicaset-controller
    replication-controller resource-claim-controller resourcequota-controller root-ca-cert-publisher route-controller
    selinux-warning-controller service-account-controller service-cidrs-controller service-controller statefulset-controller
    storage-version-migrator-controller ttl-after-finished-controller ttl-controller
    validatingadmissionpolicy-status-controller volumeattributesclass-protection-controller`),
  )
  for (const role of controllers) {
    const name = role.name.slice('system:controller:'.length)
    expect(role.boundTo).toEqual([{ kind: 'ServiceAccount', namespace: 'kube-system', name }])
  }
})

test('no name is there twice, and no role without rules', () => {
  const names = defaultRoles.map(({ name, namespace = '' }) => `${namespace}/${name}`)
  expect(new Set(names).size).toBe(names.length)
  for (const { rules, gathers } of defaultRoles) expect(rules?.length ?? (gathers === undefined ? 0 : 1)).toBeGreaterThan(0)
})

test.each([
  ['cluster-admin', ['Group system:masters']],
  ['system:basic-user', ['Group system:authenticated']],
  ['system:discovery', ['Group system:authenticated']],
  ['system:public-info-viewer', ['Group system:authenticated', 'Group system:unauthenticated']],
  ['system:cluster-trust-bundle-discovery', ['Group system:serviceaccounts']],
  ['system:service-account-issuer-discovery', ['Group system:serviceaccounts']],
  ['system:kube-scheduler', ['User system:kube-scheduler']],
  ['system:volume-scheduler', ['User system:kube-scheduler']],
  ['system:node-proxier', ['User system:kube-proxy']],
  ['system:node', []],
  ['system:node-bootstrapper', []],
  ['system:auth-delegator', []],
])('%s is bound to %j', (name, subjects) => {
  expect(subjectsOf(named(name))).toEqual(subjects)
})

test('nobody who is not known gets more than health and version', () => {
  const open = defaultRoles.filter((role) => subjectsOf(role).includes('Group system:unauthenticated'))
  expect(open.flatMap(({ rules = [] }) => rules)).toEqual([
    { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
  ])
})

/** `role: verb resource.group[/name]`, with a ! in front where it is not allowed. */
test.each(
  lines(`
  system:aggregate-to-view:get:pods.
  !system:aggregate-to-view:get:secrets.
  !system:aggregate-to-view:get:pods/exec.
  system:aggregate-to-view:list:endpointslices.discovery.k8s.io
  system:aggregate-to-edit:create:pods/exec.
  system:aggregate-to-edit:impersonate:serviceaccounts.
  system:aggregate-to-edit:create:serviceaccounts/token.
  system:aggregate-to-edit:delete:deployments.extensions
  !system:aggregate-to-edit:create:roles.rbac.authorization.k8s.io
  !system:aggregate-to-edit:update:resourcequotas.
  system:aggregate-to-admin:create:rolebindings.rbac.authorization.k8s.io
  system:node-bootstrapper:create:certificatesigningrequests.certificates.k8s.io
  !system:node-bootstrapper:create:certificatesigningrequests/nodeclient.certificates.k8s.io
  system:certificates.k8s.io:certificatesigningrequests:nodeclient:create:certificatesigningrequests/nodeclient.certificates.k8s.io
  system:kubelet-api-admin:get:nodes/metrics.
  system:kube-dns:watch:services.
  !system:kube-dns:watch:endpointslices.discovery.k8s.io
  system:kube-scheduler:create:pods/binding.
  !system:kube-scheduler:update:pods.
  system:controller:deployment-controller:create:replicasets.apps
  !system:controller:deployment-controller:create:pods.
  system:controller:replicaset-controller:create:pods.
  system:controller:generic-garbage-collector:delete:anything.example.com
  !system:controller:generic-garbage-collector:create:anything.example.com
  system:controller:namespace-controller:deletecollection:anything.example.com
  system:controller:clusterrole-aggregation-controller:escalate:clusterroles.rbac.authorization.k8s.io
  system:controller:horizontal-pod-autoscaler:update:deployments/scale.apps
  system:controller:service-controller:patch:services/status.
  !system:controller:service-controller:update:services.
  system:controller:statefulset-controller:create:persistentvolumeclaims.
  `),
)('%s', (fact) => {
  const [, not, role, verb, plural, part, group] =
    /^(!?)(.+):([a-z]+):([a-z]+)(?:\/([a-z]+))?\.([a-z0-9.]*)$/.exec(fact) ?? expect.fail(`no fact: ${fact}`)
  const { rules = [] } = named(role as string)
  const route = { type: 'resource', verb: verb as Verb, group: group as string, version: 'v1', plural: plural as string } as const
  const allowed = rules.some((rule) => ruleAllows(rule, { ...route, namespace: 'default', name: undefined, subresource: part }))
  expect(allowed).toBe(not === '')
})

test('certificates are signed for the signers of the cluster, and approved for kubelets alone', () => {
  const { rules = [] } = named('system:controller:certificate-controller')
  const may = (verb: string, name: string): boolean =>
    rules.some((rule) =>
      ruleAllows(rule, {
        type: 'resource',
        verb: verb as Verb,
        group: 'certificates.k8s.io',
        version: '*',
        plural: 'signers',
        namespace: undefined,
        name,
        subresource: undefined,
      }),
    )
  expect(
    ['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map((name) =>
      may('sign', `kubernetes.io/${name}`),
    ),
  ).toEqual([true, true, true, true])
  expect(may('sign', 'example.com/a')).toBe(false)
  expect([may('approve', 'kubernetes.io/kube-apiserver-client-kubelet'), may('approve', 'kubernetes.io/kube-apiserver-client')]).toEqual([
    true,
    false,
  ])
})
