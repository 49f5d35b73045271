import type { UserInfo } from '../../machinery/api-request.ts'
import type { ResourceRoute, Route } from '../route.ts'
import { nodeNameOf } from './node-authorizer.ts'

const related = new Set(['secrets', 'configmaps', 'persistentvolumeclaims', 'persistentvolumes', 'serviceaccounts'])

/** Why the Node authorizer lets a node not do something, in upstream's words; undefined: nothing is to be said of it. */
export function nodeRefusal(user: UserInfo, route: Route): string | undefined {
  const node = nodeNameOf(user)
  if (node === undefined || route.type !== 'resource') return undefined
  const { group, plural, verb, name, namespace } = route
  const reads = verb === 'get' || verb === 'list' || verb === 'watch'
  if (group === 'coordination.k8s.io' && plural === 'leases') return leaseRefusal(route)
  if (group !== '') return undefined
  if (plural === 'nodes' && reads) {
    return name === undefined
      ? `node '${node}' cannot read all nodes, only its own Node object`
      : `node '${node}' cannot read '${name}', only its own Node object`
  }
  if (plural === 'pods' && reads && verb !== 'get' && name === undefined)
    return 'can only list/watch pods with spec.nodeName field selector'
  if (plural !== 'pods' && !related.has(plural)) return undefined
  if (!reads && plural !== 'serviceaccounts') return plural === 'pods' ? undefined : 'can only read resources of this type'
  if (plural === 'secrets' || plural === 'configmaps') {
    if (namespace === undefined) return 'can only read namespaced object of this type'
  }
  return name === undefined ? 'No Object name found' : `no relationship found between node '${node}' and this object`
}

function leaseRefusal({ verb, namespace }: ResourceRoute): string {
  if (verb === 'list' || verb === 'watch' || verb === 'deletecollection')
    return 'can only get, create, update, patch, or delete a node lease'
  return namespace === 'kube-node-lease'
    ? 'can only access node lease with the same name as the requesting node'
    : 'can only access leases in the "kube-node-lease" system namespace'
}
