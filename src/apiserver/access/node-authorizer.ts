import { configMapNamesOf, present, secretNamesOf } from '../../api/core/pod-references.ts'
import type { Pod } from '../../api/generated/types.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { ResourceRoute, Route } from '../route.ts'

/** What the pods of a node give it to read. */
export interface NodeFacts {
  nodeOfPod(namespace: string, name: string): string | undefined
  /** The pods of a namespace that are bound to the node. */
  podsOn(node: string, namespace: string): Iterable<Pod>
}

const prefix = 'system:node:'
const readVerbs = 'get list watch'

/** `resources: verbs`, each list with single spaces; resources of a group other than core carry it behind a dot. */
type Grants = Readonly<Record<string, string>>

const everyNode: Grants = {
  'services endpointslices.discovery.k8s.io csidrivers.storage.k8s.io runtimeclasses.node.k8s.io clustertrustbundles.certificates.k8s.io':
    readVerbs,
  endpoints: 'get',
  'events events.events.k8s.io': 'create patch update',
  'tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io localsubjectaccessreviews.authorization.k8s.io': 'create',
  'certificatesigningrequests.certificates.k8s.io': `create ${readVerbs}`,
  nodes: 'create',
  // Which ones, NodeRestriction asks.
  pods: 'create',
}
const itself: Grants = { nodes: `patch update ${readVerbs}`, 'nodes/status': 'patch update' }
const ownLease: Grants = { 'leases.coordination.k8s.io': 'get create update patch delete' }
const ownCsiNode: Grants = { 'csinodes.storage.k8s.io': 'get create update patch delete' }
const ownPods: Grants = { pods: `delete ${readVerbs}`, 'pods/status': 'patch update', 'pods/eviction': 'create' }

function resourceOf({ group, plural, subresource }: ResourceRoute): string {
  const base = group ? `${plural}.${group}` : plural
  return subresource ? `${base}/${subresource}` : base
}

function granted(grants: Grants, route: ResourceRoute): boolean {
  const asked = resourceOf(route)
  return Object.entries(grants).some(([resources, verbs]) => resources.split(' ').includes(asked) && verbs.split(' ').includes(route.verb))
}

/** The node that a user is, as its certificate says. */
export function nodeNameOf(user: UserInfo): string | undefined {
  return user.groups.includes('system:nodes') && user.name.startsWith(prefix) ? user.name.slice(prefix.length) : undefined
}

/** A list or watch of pods that says by its field selector that it wants those of the node alone. */
function readsOwnPods({ group, plural, subresource, verb, fields = [] }: ResourceRoute, node: string): boolean {
  if (group !== '' || plural !== 'pods' || subresource !== undefined || (verb !== 'list' && verb !== 'watch')) return false
  return fields.some(({ field, operator, value }) => field === 'spec.nodeName' && operator === '=' && value === node)
}

/**
 * What a node may do: mind itself and the pods bound to it, and read what those need
 * (https://kubernetes.io/docs/reference/access-authn-authz/node/).
 */
export function nodeMay(user: UserInfo, route: Route, facts: NodeFacts): boolean {
  const node = nodeNameOf(user)
  if (node === undefined || route.type !== 'resource') return false
  if (granted(everyNode, route)) return true
  const { namespace, name } = route
  if (readsOwnPods(route, node)) return true
  if (granted(itself, route) || granted(ownCsiNode, route)) return name === node || (route.verb === 'create' && name === undefined)
  if (granted(ownLease, route)) return namespace === 'kube-node-lease' && (name === node || (route.verb === 'create' && name === undefined))
  if (namespace === undefined || name === undefined) return false
  if (granted(ownPods, route)) return facts.nodeOfPod(namespace, name) === node
  const uses = usesOf(resourceOf(route))
  if (!uses?.verbs.includes(route.verb) || route.group !== '') return false
  for (const pod of facts.podsOn(node, namespace)) if (uses.by(pod).includes(name)) return true
  return false
}

/** Resources that a node reaches through its pods alone: by which names a pod uses them. */
function usesOf(resource: string): { verbs: readonly string[]; by: (pod: Pod) => readonly string[] } | undefined {
  switch (resource) {
    case 'secrets':
      return { verbs: ['get', 'list', 'watch'], by: secretNamesOf }
    case 'configmaps':
      return { verbs: ['get', 'list', 'watch'], by: configMapNamesOf }
    case 'persistentvolumeclaims':
    case 'persistentvolumeclaims/status':
      return { verbs: ['get', 'patch', 'update'], by: claimsOf }
    case 'serviceaccounts/token':
      return { verbs: ['create'], by: ({ spec }) => [spec.serviceAccountName ?? ''] }
    case 'serviceaccounts':
      return { verbs: ['get'], by: ({ spec }) => [spec.serviceAccountName ?? ''] }
    default:
      return undefined
  }
}

function claimsOf({ metadata, spec }: Pod): string[] {
  return present(
    (spec.volumes ?? []).map(({ name, persistentVolumeClaim, ephemeral }) =>
      ephemeral ? `${metadata.name}-${name}` : persistentVolumeClaim?.claimName,
    ),
  )
}
