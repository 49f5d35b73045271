import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { kinds } from '../../src/api/registry.ts'
import { type BareApiServer, startBareApiServer } from './harness/bare-api-server.ts'

/** kubectl's way through every built-in kind: learnt, explained, made, shown, changed and deleted. */
let server: BareApiServer
const kubectl = (...args: string[]): Promise<string> => server.kubectl(...args)

beforeAll(async () => {
  server = await startBareApiServer()
  await kubectl('create', 'serviceaccount', 'default')
})
afterAll(() => server?.close())

const file = fileURLToPath(new URL('every-kind.yaml', import.meta.url))
interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string }
}
const manifests = parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as Manifest)
/** As kubectl names one kind in one version, beyond doubt. */
const resourceOf = ({ apiVersion, kind }: Pick<Manifest, 'apiVersion' | 'kind'>): string => {
  const found = kinds.find((one) => one.kind === kind && (one.group ? `${one.group}/${one.version}` : one.version) === apiVersion)
  if (!found) throw new Error(`${apiVersion} ${kind} is no kind`)
  return found.group ? `${found.plural}.${found.version}.${found.group}` : found.plural
}

/** What `kubectl api-resources` of v1.37 lists, of the stable versions: name, short names, version, kind. */
const upstream = `
bindings v1 Binding
componentstatuses cs v1 ComponentStatus
configmaps cm v1 ConfigMap
endpoints ep v1 Endpoints
events ev v1 Event
limitranges limits v1 LimitRange
namespaces ns v1 Namespace
nodes no v1 Node
persistentvolumeclaims pvc v1 PersistentVolumeClaim
persistentvolumes pv v1 PersistentVolume
pods po v1 Pod
podtemplates v1 PodTemplate
replicationcontrollers rc v1 ReplicationController
resourcequotas quota v1 ResourceQuota
secrets v1 Secret
serviceaccounts sa v1 ServiceAccount
services svc v1 Service
mutatingadmissionpolicies admissionregistration.k8s.io/v1 MutatingAdmissionPolicy
mutatingadmissionpolicybindings admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding
mutatingwebhookconfigurations admissionregistration.k8s.io/v1 MutatingWebhookConfiguration
validatingadmissionpolicies admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy
validatingadmissionpolicybindings admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding
validatingwebhookconfigurations admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration
customresourcedefinitions crd,crds apiextensions.k8s.io/v1 CustomResourceDefinition
apiservices apiregistration.k8s.io/v1 APIService
controllerrevisions apps/v1 ControllerRevision
daemonsets ds apps/v1 DaemonSet
deployments deploy apps/v1 Deployment
replicasets rs apps/v1 ReplicaSet
statefulsets sts apps/v1 StatefulSet
selfsubjectreviews authentication.k8s.io/v1 SelfSubjectReview
tokenreviews authentication.k8s.io/v1 TokenReview
localsubjectaccessreviews authorization.k8s.io/v1 LocalSubjectAccessReview
selfsubjectaccessreviews authorization.k8s.io/v1 SelfSubjectAccessReview
selfsubjectrulesreviews authorization.k8s.io/v1 SelfSubjectRulesReview
subjectaccessreviews authorization.k8s.io/v1 SubjectAccessReview
horizontalpodautoscalers hpa autoscaling/v2 HorizontalPodAutoscaler
cronjobs cj batch/v1 CronJob
jobs batch/v1 Job
certificatesigningrequests csr certificates.k8s.io/v1 CertificateSigningRequest
clustertrustbundles certificates.k8s.io/v1 ClusterTrustBundle
podcertificaterequests certificates.k8s.io/v1 PodCertificateRequest
leases coordination.k8s.io/v1 Lease
endpointslices discovery.k8s.io/v1 EndpointSlice
events ev events.k8s.io/v1 Event
flowschemas flowcontrol.apiserver.k8s.io/v1 FlowSchema
prioritylevelconfigurations flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration
ingressclasses networking.k8s.io/v1 IngressClass
ingresses ing networking.k8s.io/v1 Ingress
ipaddresses ip networking.k8s.io/v1 IPAddress
networkpolicies netpol networking.k8s.io/v1 NetworkPolicy
servicecidrs networking.k8s.io/v1 ServiceCIDR
runtimeclasses node.k8s.io/v1 RuntimeClass
poddisruptionbudgets pdb policy/v1 PodDisruptionBudget
clusterrolebindings rbac.authorization.k8s.io/v1 ClusterRoleBinding
clusterroles rbac.authorization.k8s.io/v1 ClusterRole
rolebindings rbac.authorization.k8s.io/v1 RoleBinding
roles rbac.authorization.k8s.io/v1 Role
deviceclasses resource.k8s.io/v1 DeviceClass
devicetaintrules resource.k8s.io/v1 DeviceTaintRule
resourceclaims resource.k8s.io/v1 ResourceClaim
resourceclaimtemplates resource.k8s.io/v1 ResourceClaimTemplate
resourceslices resource.k8s.io/v1 ResourceSlice
priorityclasses pc scheduling.k8s.io/v1 PriorityClass
csidrivers storage.k8s.io/v1 CSIDriver
csinodes storage.k8s.io/v1 CSINode
csistoragecapacities storage.k8s.io/v1 CSIStorageCapacity
storageclasses sc storage.k8s.io/v1 StorageClass
volumeattachments storage.k8s.io/v1 VolumeAttachment
volumeattributesclasses vac storage.k8s.io/v1 VolumeAttributesClass
storageversionmigrations storagemigration.k8s.io/v1 StorageVersionMigration
`.trim()

const lines = (text: string): string[] => text.trim().split('\n')

test('api-resources and api-versions list what upstream lists', async () => {
  const rows = lines(await kubectl('api-resources', '--no-headers')).map((line) =>
    line.split(/\s+/).filter((word) => !/^(true|false)$/.test(word)),
  )
  expect(rows.map((words) => words.join(' '))).toEqual(lines(upstream))
  const versions = new Set([
    ...kinds.map(({ group, version }) => (group ? `${group}/${version}` : version)),
    'authentication.k8s.io/v1',
    'authorization.k8s.io/v1',
  ])
  expect(lines(await kubectl('api-versions'))).toEqual([...versions].sort())
  expect(lines(await kubectl('api-resources', '--categories=api-extensions', '-o', 'name'))).toHaveLength(8)
})

test('explain knows every kind and its fields', async () => {
  for (const { group, version, plural, kind } of kinds) {
    const text = await kubectl('explain', plural, `--api-version=${group ? `${group}/` : ''}${version}`)
    expect(text).toMatch(new RegExp(`^(GROUP: +${group}\n)?KIND: +${kind}\nVERSION: +${version}$`, 'm'))
    expect(text).toMatch(/^ {2}metadata\t<ObjectMeta>( -required-)?$/m)
  }
  expect(await kubectl('explain', 'cronjob.spec.jobTemplate.spec.podFailurePolicy.rules.action')).toContain('FIELD: action <string>')
}, 120_000)

describe('an object of every kind', () => {
  test('there is one of each, but for what cannot be made', () => {
    const made = new Set(manifests.map(resourceOf))
    const all = kinds.map((kind) =>
      resourceOf({ apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version, kind: kind.kind }),
    )
    expect(all.filter((resource) => !made.has(resource))).toEqual(['componentstatuses', 'horizontalpodautoscalers.v1.autoscaling'])
  })

  test('is created', async () => {
    const said = lines(await kubectl('create', '-f', file)).filter((line) => !line.startsWith('Warning:'))
    expect(said.filter((line) => !line.endsWith(' created'))).toEqual([])
    expect(said).toHaveLength(manifests.length)
  })

  test('is shown as a row of its kind’s table', async () => {
    const tables = (await kubectl('get', '-f', file)).split('\n\n').map((table) => lines(table).at(-1) as string)
    const row = (kind: string): string | undefined =>
      tables
        .find((line) => line.startsWith(`${kind}/`) || line.startsWith(`${kind}.`))
        ?.replace(/ +\d+s\b/, ' AGE')
        .replace(/ +/g, ' ')
        .trim()
    expect(row('persistentvolume')).toBe('persistentvolume/one 1Gi RWO,ROX Retain Pending <unset> AGE')
    expect(row('job')).toBe('job.batch/one Running 0/1 AGE')
    expect(row('cronjob')).toBe('cronjob.batch/one */5 * * * * <none> False 0 <none> AGE')
    expect(row('horizontalpodautoscaler')).toBe('horizontalpodautoscaler.autoscaling/one Deployment/one cpu: <unknown>/80% 1 3 0 AGE')
    expect(row('poddisruptionbudget')).toBe('poddisruptionbudget.policy/one 50% N/A 0 AGE')
    expect(row('storageclass')).toBe('storageclass.storage.k8s.io/one (default) example.com/disk Delete Immediate false AGE')
    expect(row('certificatesigningrequest')).toBe(
      'certificatesigningrequest.certificates.k8s.io/one AGE kubernetes.io/kube-apiserver-client kubernetes-admin <none> Pending',
    )
  })

  test('is labelled, and read back as it was written', async () => {
    const said = lines(await kubectl('label', '-f', file, 'seen=yes')).filter((line) => !line.startsWith('Warning:'))
    expect(said.filter((line) => !line.endsWith(' labeled'))).toEqual([])
    const json = await kubectl('get', '-f', file, '-o', 'json')
    // Warnings follow.
    const { items } = JSON.parse(json.slice(0, json.lastIndexOf('}') + 1)) as {
      items: (Manifest & { metadata: { labels: object } })[]
    }
    expect(items.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual(
      manifests.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
    )
    for (const { metadata } of items) expect(metadata.labels).toMatchObject({ seen: 'yes' })
  }, 60_000)

  test('two forms are one object', async () => {
    expect(
      await kubectl(
        'patch',
        'horizontalpodautoscalers.v1.autoscaling',
        'one',
        '--type=merge',
        '-p',
        '{"spec":{"targetCPUUtilizationPercentage":70}}',
      ),
    ).toContain('patched')
    expect(await kubectl('get', 'hpa', 'one', '-o', 'jsonpath={.spec.metrics[0].resource.target.averageUtilization}')).toBe('70')
    expect(await kubectl('get', 'event', 'new', '-o', 'jsonpath={.message} {.involvedObject.name}')).toBe('as it should be web')
    expect(await kubectl('get', 'events.events.k8s.io', '--field-selector', 'regarding.name=web', '-o', 'name')).toContain(
      'event.events.k8s.io/one',
    )
  })

  test('its subresources change what they are for', async () => {
    expect(await kubectl('certificate', 'approve', 'one')).toContain('approved')
    expect(await kubectl('get', 'csr', 'one', '-o', 'jsonpath={.status.conditions[0].type} {.spec.username}')).toBe(
      'Approved kubernetes-admin',
    )
    expect(await kubectl('scale', 'rc,sts', 'one', '--replicas=2')).toContain('statefulset.apps/one scaled')
    expect(
      await kubectl(
        'patch',
        'job',
        'one',
        '--subresource=status',
        '--type=merge',
        '-p',
        '{"status":{"active":1},"spec":{"parallelism":9}}',
      ),
    ).toContain('patched')
    expect(await kubectl('get', 'job', 'one', '-o', 'jsonpath={.status.active} {.spec.parallelism}')).toBe('1 1')
  })

  test('is deleted', async () => {
    const said = lines(await kubectl('delete', '-f', file, '--wait=false')).filter((line) => !line.startsWith('Warning:'))
    expect(said.filter((line) => !/ deleted( from \w+ namespace)?$/.test(line))).toEqual([])
    expect(said).toHaveLength(manifests.length)
    const left = lines(await kubectl('get', '-f', file, '--ignore-not-found', '-o', 'name'))
    // Nobody empties namespaces here, nor tells that volumes and claims are out of use.
    expect(left.filter((line) => !line.startsWith('Warning:'))).toEqual([
      'namespace/one',
      'persistentvolume/one',
      'persistentvolumeclaim/one',
    ])
  }, 60_000)
})
