import type { Node, Pod, PodSpec } from '../../api/generated/types.ts'
import { type ClusterView, type NodeInfo, nodeInfo } from '../cluster-state.ts'

interface NodeParts {
  readonly labels?: Record<string, string>
  readonly spec?: Node['spec']
  readonly allocatable?: Record<string, string>
  readonly images?: NonNullable<Node['status']>['images']
}

/** A node of 4 cores, 8Gi and 110 pods that bears its name as hostname. */
export function node(name: string, { labels, spec = {}, allocatable, images }: NodeParts = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `node-${name}`,
      resourceVersion: '1',
      creationTimestamp: '',
      labels: { 'kubernetes.io/hostname': name, ...labels },
    },
    spec,
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...allocatable }, ...(images ? { images } : {}) },
  }
}

interface PodParts extends Partial<PodSpec> {
  readonly namespace?: string
  readonly labels?: Record<string, string>
  /** uid of the controller. */
  readonly owner?: string
  readonly requests?: Record<string, string>
  readonly deleted?: boolean
}

export function pod(name: string, { namespace = 'default', labels, owner, requests, deleted, ...spec }: PodParts = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `pod-${namespace}-${name}`,
      resourceVersion: '1',
      creationTimestamp: '',
      ...(labels ? { labels } : {}),
      ...(owner ? { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] } : {}),
      ...(deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { containers: [{ name: 'main', image: 'main', ...(requests ? { resources: { requests } } : {}) }], ...spec },
  }
}

/** A cluster, by node: the node and the pods on it. */
export function cluster(
  nodes: readonly (readonly [Node, ...Pod[]])[],
  namespaces: Record<string, Record<string, string>> = {},
): ClusterView {
  const infos: NodeInfo[] = nodes.map(([each, ...pods]) => nodeInfo(each, pods))
  return { nodes: infos, namespaceLabels: (name) => namespaces[name] ?? {} }
}
