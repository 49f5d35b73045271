import type { CertificateSigningRequest, Node, Pod, TokenRequestSpec } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { certificateRequestFault, parseCertificateRequest } from '../../machinery/certificate-request.ts'
import { deepEqual } from '../../machinery/equality.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { forbidden } from '../../machinery/status.ts'
import { nodeNameOf } from './node-authorizer.ts'

interface Write {
  readonly user: UserInfo
  readonly kind: Kind
  readonly operation: 'create' | 'update' | 'delete' | 'connect'
  readonly subresource: string | undefined
  readonly name: string
  readonly object: KubeObject | undefined
  readonly previous: KubeObject | undefined
}

const mirrorAnnotation = 'kubernetes.io/config.mirror'

/**
 * What a node may not write though it may write the kind: pods that are not its own static ones, labels that others
 * schedule by, its taints (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction).
 * Throws Forbidden.
 */
export function checkNodeRestriction(write: Write): void {
  const node = nodeNameOf(write.user)
  if (node === undefined) return
  const { kind, operation, subresource, object } = write
  if (kind.group === 'certificates.k8s.io' && kind.plural === 'certificatesigningrequests' && operation === 'create') {
    refuse(write, signingRequestFault(object as CertificateSigningRequest, node))
  }
  if (kind.group !== '') return
  if (kind.plural === 'pods' && operation === 'create' && subresource === undefined) refuse(write, podFault(object as Pod, node))
  if (kind.plural === 'pods' && subresource === 'status') refuse(write, podStatusFault(object as Pod, write.previous as Pod, node))
  if (kind.plural === 'nodes' && object) refuse(write, nodeFault(object as Node, write.previous as Node | undefined, node))
}

function refuse({ kind, name }: Write, fault: string | undefined): void {
  if (fault !== undefined) throw forbidden(kind, name, fault)
}

const kubeletSigners = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']

/** A node asks for no other node's certificates. */
function signingRequestFault({ spec }: CertificateSigningRequest, node: string): string | undefined {
  if (!kubeletSigners.includes(spec.signerName)) return undefined
  const pem = Buffer.from(spec.request ?? '', 'base64').toString('latin1')
  const fault = certificateRequestFault(pem)
  if (fault) return `unable to parse csr: ${fault}`
  const own = `system:node:${node}`
  return parseCertificateRequest(pem)?.commonName === own ? undefined : `can only create a node CSR with CN=${own}`
}

function podFault(pod: Pod, node: string): string | undefined {
  const { metadata, spec } = pod
  if (metadata.annotations?.[mirrorAnnotation] === undefined)
    return `pod does not have ${JSON.stringify(mirrorAnnotation)} annotation, node ${JSON.stringify(node)} can only create mirror pods`
  if (spec.nodeName !== node) return `node ${JSON.stringify(node)} can only create pods with spec.nodeName set to itself`
  const owner = metadata.ownerReferences?.[0]
  if (metadata.ownerReferences?.length !== 1 || owner?.kind !== 'Node' || owner.name !== node) {
    return `node ${JSON.stringify(node)} can only create pods with an owner reference set to itself`
  }
  if (spec.serviceAccountName) return `node ${JSON.stringify(node)} can not create pods that reference a service account`
  const reads = (spec.volumes ?? []).find(
    ({ secret, configMap, persistentVolumeClaim, projected }) => secret ?? configMap ?? persistentVolumeClaim ?? projected,
  )
  return reads ? `node ${JSON.stringify(node)} can not create pods that reference API objects` : undefined
}

function podStatusFault(pod: Pod, previous: Pod, node: string): string | undefined {
  const name = JSON.stringify(node)
  if (previous.spec.nodeName !== node) return `node ${name} can only update pod status for pods with spec.nodeName set to itself`
  const isSame = deepEqual(pod.metadata.labels ?? {}, previous.metadata.labels ?? {})
  return isSame ? undefined : `node ${name} cannot update labels through pod status`
}

function nodeFault(object: Node, previous: Node | undefined, node: string): string | undefined {
  if (object.metadata.name !== node)
    return `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(object.metadata.name)}`
  if (previous && !deepEqual(object.spec?.taints ?? [], previous.spec?.taints ?? []))
    return `node ${JSON.stringify(node)} is not allowed to modify taints`
  const now = object.metadata.labels ?? {}
  const before = previous?.metadata.labels ?? {}
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter((label) => now[label] !== before[label])
  const others = changed.filter((label) => !isNodesOwn(label)).sort()
  const verb = previous ? 'modify' : 'set the following'
  return others.length > 0 ? `is not allowed to ${verb} labels: ${others.join(', ')}` : undefined
}

const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
])

/** Labels of a node that its kubelet may set: all but those below kubernetes.io and k8s.io that are not named here. */
function isNodesOwn(label: string): boolean {
  const prefix = label.includes('/') ? (label.split('/')[0] as string) : ''
  const within = (domain: string): boolean => prefix === domain || prefix.endsWith(`.${domain}`)
  if (within('node-restriction.kubernetes.io')) return false
  if (!within('kubernetes.io') && !within('k8s.io')) return true
  return ownLabels.has(label) || within('kubelet.kubernetes.io') || within('node.kubernetes.io')
}

/** A node gets tokens only for pods that run on it. */
export function checkNodeToken(
  user: UserInfo,
  kind: { group: string; plural: string },
  name: string,
  spec: TokenRequestSpec,
  nodeOfPod: (name: string) => string | undefined,
): void {
  const node = nodeNameOf(user)
  if (node === undefined) return
  const ref = spec.boundObjectRef
  const fault = ((): string | undefined => {
    if (ref?.kind !== 'Pod' || !ref.name) return 'node requested token not bound to a pod'
    if (!ref.uid) return 'node requested token with a pod binding without a uid'
    if (nodeOfPod(ref.name) !== node) return 'node requested token bound to a pod scheduled on a different node'
    return undefined
  })()
  if (fault !== undefined) throw forbidden(kind, name, fault)
}
