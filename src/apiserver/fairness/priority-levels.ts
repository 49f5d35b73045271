import type { UserInfo } from '../../machinery/api-request.ts'
import type { Route } from '../route.ts'

/**
 * Requests of one kind share seats: what one level asks for never takes another's
 * (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/).
 */
export interface PriorityLevel {
  readonly name: string
  /** Requests served at one time; Infinity: never made to wait. */
  readonly seats: number
  /** Requests of one flow that may wait; those beyond are refused. */
  readonly queueLength: number
  readonly matches: (user: UserInfo, route: Route) => boolean
}

const inGroup = (user: UserInfo, group: string): boolean => user.groups.includes(group)
const isNode = (user: UserInfo): boolean => inGroup(user, 'system:nodes')

function isHeartbeat(route: Route): boolean {
  if (route.type === 'path') return false
  return (
    (route.plural === 'nodes' && route.subresource === 'status') || (route.plural === 'leases' && route.group === 'coordination.k8s.io')
  )
}

const probes = /^\/(healthz|livez|readyz)(\/|$)/

/** In order: the first that matches. Names are those of upstream's suggested levels, where one fits. */
export const priorityLevels: readonly PriorityLevel[] = [
  {
    name: 'exempt',
    seats: Number.POSITIVE_INFINITY,
    queueLength: 0,
    // The control plane itself, in this process; and whoever asks whether the server lives.
    matches: (user, route) =>
      (inGroup(user, 'system:masters') && user.name.startsWith('system:')) || (route.type === 'path' && probes.test(route.path)),
  },
  { name: 'node-high', seats: 100, queueLength: 100, matches: (user, route) => isNode(user) && isHeartbeat(route) },
  { name: 'system', seats: 100, queueLength: 200, matches: (user) => isNode(user) || user.name === 'system:kube-proxy' },
  {
    name: 'leader-election',
    seats: 30,
    queueLength: 50,
    matches: (user, route) => user.name.startsWith('system:') && route.type === 'resource' && route.plural === 'leases',
  },
  {
    name: 'workload-high',
    seats: 100,
    queueLength: 200,
    matches: ({ name }) =>
      name === 'system:kube-controller-manager' ||
      name === 'system:kube-scheduler' ||
      name.startsWith('system:serviceaccount:kube-system:'),
  },
  // An administrator gets in, whatever workloads do.
  { name: 'administrators', seats: 150, queueLength: 300, matches: (user) => inGroup(user, 'system:masters') },
  { name: 'workload-low', seats: 150, queueLength: 100, matches: (user) => inGroup(user, 'system:serviceaccounts') },
  { name: 'global-default', seats: 100, queueLength: 100, matches: (user) => inGroup(user, 'system:authenticated') },
  { name: 'catch-all', seats: 20, queueLength: 20, matches: () => true },
]

export function levelOf(user: UserInfo, route: Route): PriorityLevel {
  return priorityLevels.find((level) => level.matches(user, route)) as PriorityLevel
}
