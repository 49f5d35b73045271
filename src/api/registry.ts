import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { deployments } from './apps/deployment.ts'
import { replicaSets } from './apps/replica-set.ts'
import { leases } from './coordination/lease.ts'
import { configMaps } from './core/config-map.ts'
import { endpoints } from './core/endpoints.ts'
import { events } from './core/event.ts'
import { namespaces } from './core/namespace.ts'
import { nodes } from './core/node.ts'
import { pods } from './core/pod.ts'
import { secrets } from './core/secret.ts'
import { services } from './core/service.ts'
import { serviceAccounts } from './core/service-account.ts'
import { endpointSlices } from './discovery/endpoint-slice.ts'
import type { Kind } from './kind.ts'
import { clusterRoles, roles } from './rbac/role.ts'
import { clusterRoleBindings, roleBindings } from './rbac/role-binding.ts'

export {
  clusterRoleBindings,
  clusterRoles,
  configMaps,
  deployments,
  endpointSlices,
  endpoints,
  events,
  leases,
  namespaces,
  nodes,
  pods,
  replicaSets,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
  services,
}

/** Forgets which objects a kind is for. Sound because the server only ever hands a kind objects of that kind. */
function anyKind<T extends KubeObject>(kind: Kind<T>): Kind {
  return kind as unknown as Kind
}

/** Every built-in kind: a new one is a new row. Order is that of discovery, groups apart. */
export const kinds: readonly Kind[] = [
  anyKind(configMaps),
  anyKind(endpoints),
  anyKind(events),
  anyKind(namespaces),
  anyKind(nodes),
  anyKind(pods),
  anyKind(secrets),
  anyKind(serviceAccounts),
  anyKind(services),
  anyKind(deployments),
  anyKind(replicaSets),
  anyKind(leases),
  anyKind(endpointSlices),
  anyKind(clusterRoleBindings),
  anyKind(clusterRoles),
  anyKind(roleBindings),
  anyKind(roles),
]

const byResource = new Map(kinds.map((kind) => [`${apiVersionOf(kind)}/${kind.plural}`, kind]))
const byKind = new Map(kinds.map((kind) => [`${apiVersionOf(kind)}/${kind.kind}`, kind]))

/** The kind behind a path, such as apps, v1, deployments ('' is the core group). */
export function kindFor(group: string, version: string, plural: string): Kind | undefined {
  return byResource.get(`${apiVersionOf({ group, version })}/${plural}`)
}

/** The kind that an object names: `apps/v1`, `Deployment`. */
export function kindNamed(apiVersion: string, kind: string): Kind | undefined {
  return byKind.get(`${apiVersion}/${kind}`)
}
