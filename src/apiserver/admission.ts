import type { Pod, ServiceAccount, Toleration } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import type { Random } from '../host/random.ts'
import type { UserInfo } from '../machinery/api-request.ts'
import type { KubeObject } from '../machinery/object.ts'
import { forbidden, notFound, StatusError } from '../machinery/status.ts'
import { checkNodeRestriction } from './access/node-restriction.ts'
import { mountServiceAccountToken } from './access/service-account-volume.ts'

export interface AdmissionRequest {
  readonly user: UserInfo
  readonly kind: Kind
  readonly operation: 'create' | 'update' | 'delete'
  readonly subresource: string | undefined
  readonly namespace: string | undefined
  readonly name: string
  /** Private to the request: plug-ins may change it. Undefined for a deletion. */
  readonly object: KubeObject | undefined
  /** What is stored, for an update. */
  readonly previous: KubeObject | undefined
}

/** What plug-ins may look up. */
export interface AdmissionFacts {
  namespace(name: string): KubeObject | undefined
  serviceAccount(namespace: string, name: string): ServiceAccount | undefined
  readonly random: Random
  /** Throws Forbidden for a role or binding that grants more than its writer holds. */
  checkEscalation(write: AdmissionRequest & { readonly object: KubeObject }): void
}

/** Changes what comes in, or throws the StatusError that refuses it. */
type AdmissionPlugin = (request: AdmissionRequest, facts: AdmissionFacts) => void

const namespaceResource = { group: '', plural: 'namespaces' }
const isPodCreate = ({ kind, operation, subresource }: AdmissionRequest): boolean =>
  operation === 'create' && subresource === undefined && kind.plural === 'pods' && kind.group === ''

/** Without these the cluster has no ground to stand on. */
const immortalNamespaces = new Set(['default', 'kube-system', 'kube-public'])

const namespaceLifecycle: AdmissionPlugin = (request, facts) => {
  const { kind, operation, namespace, name } = request
  if (operation === 'delete') {
    if (kind.plural !== 'namespaces' || kind.group !== '' || !immortalNamespaces.has(name)) return
    throw forbidden(namespaceResource, name, 'this namespace may not be deleted')
  }
  if (!kind.namespaced || namespace === undefined || operation !== 'create') return
  const found = facts.namespace(namespace)
  if (!found) throw notFound(namespaceResource, namespace)
  if (found.metadata.deletionTimestamp === undefined) return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const { status } = forbidden(kind, name, why)
  const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }
  throw new StatusError({ ...status, details: { ...status.details, causes: [cause] } })
}

const serviceAccount: AdmissionPlugin = (request, facts) => {
  if (!isPodCreate(request)) return
  const pod = request.object as Pod
  const { spec } = pod
  if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return
  spec.serviceAccountName ||= spec.serviceAccount || 'default'
  spec.serviceAccount = spec.serviceAccountName
  const { serviceAccountName: name } = spec
  const account = facts.serviceAccount(request.namespace as string, name)
  // `default` comes to every namespace by a controller; a pod that is created right after its namespace need not fail for it.
  if (!account && name !== 'default') {
    const why = `error looking up service account ${request.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`
    throw forbidden(request.kind, request.name, why)
  }
  if (!spec.imagePullSecrets?.length && account?.imagePullSecrets)
    spec.imagePullSecrets = account.imagePullSecrets.map((one) => ({ ...one }))
  mountServiceAccountToken(pod, account, facts.random)
}

const conditionTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

/** A pod stays five minutes on a node that has failed, unless it says otherwise. */
const defaultTolerations: AdmissionPlugin = (request) => {
  const { kind, operation, subresource } = request
  if (kind.plural !== 'pods' || kind.group !== '' || operation === 'delete' || subresource !== undefined) return
  const { spec } = request.object as Pod
  const tolerated = (key: string): boolean =>
    (spec.tolerations ?? []).some((one: Toleration) => (!one.key || one.key === key) && (!one.effect || one.effect === 'NoExecute'))
  for (const key of conditionTaints) {
    if (tolerated(key)) continue
    spec.tolerations = [...(spec.tolerations ?? []), { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }]
  }
}

const systemPriorities: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

const priority: AdmissionPlugin = (request) => {
  if (!isPodCreate(request)) return
  const { spec } = request.object as Pod
  const { priorityClassName } = spec
  const value = priorityClassName ? systemPriorities[priorityClassName] : 0
  if (value === undefined) throw forbidden(request.kind, request.name, `no PriorityClass with name ${priorityClassName} was found`)
  if (spec.priority !== undefined && spec.priority !== value) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`
    throw forbidden(request.kind, request.name, why)
  }
  spec.priority = value
  spec.preemptionPolicy ??= 'PreemptLowerPriority'
}

const escalation: AdmissionPlugin = (request, facts) => {
  const { object } = request
  if (object) facts.checkEscalation({ ...request, object })
}

/** In order: whether the place exists comes first, then what nodes may write as they sent it; then what is filled in, then what is checked. */
const admissionPlugins: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  checkNodeRestriction,
  serviceAccount,
  defaultTolerations,
  priority,
  escalation,
]

export function admit(request: AdmissionRequest, facts: AdmissionFacts): void {
  for (const plugin of admissionPlugins) plugin(request, facts)
}
