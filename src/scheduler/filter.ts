import type { Pod } from '../api/generated/types.ts'
import type { ClusterView, NodeInfo } from './cluster-state.ts'

/** What may happen that lets a pod fit that did not: `node`: one came or changed; `pod-placed`, `pod-gone`: on any node. */
export type ClusterEvent = 'node' | 'pod-placed' | 'pod-gone' | 'namespace'

/** Says of each node whether a pod may go there. */
export interface Filter {
  readonly name: string
  /** What may make a node pass that did not. */
  readonly helpedBy: readonly ClusterEvent[]
  /** Looks at the pod and the cluster once; the answer gives the reasons against a node, none if it passes. */
  prepare(pod: Pod, view: ClusterView): (node: NodeInfo) => readonly string[]
}

export interface Filtered {
  readonly feasible: readonly NodeInfo[]
  /** Why each other node was refused, by node name. */
  readonly refused: ReadonlyMap<string, { readonly filter: Filter; readonly reasons: readonly string[] }>
}

/** Asks the filters in their order about each node: the first that refuses it explains it. */
export function filterNodes(pod: Pod, view: ClusterView, list: readonly Filter[]): Filtered {
  const checks = list.map((filter) => ({ filter, check: filter.prepare(pod, view) }))
  const feasible: NodeInfo[] = []
  const refused = new Map<string, { filter: Filter; reasons: readonly string[] }>()
  for (const node of view.nodes) {
    const refusal = firstRefusal(checks, node)
    if (refusal) refused.set(node.name, refusal)
    else feasible.push(node)
  }
  return { feasible, refused }
}

function firstRefusal(
  checks: readonly { filter: Filter; check: (node: NodeInfo) => readonly string[] }[],
  node: NodeInfo,
): { filter: Filter; reasons: readonly string[] } | undefined {
  for (const { filter, check } of checks) {
    const reasons = check(node)
    if (reasons.length > 0) return { filter, reasons }
  }
  return undefined
}

/** In upstream's words: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {k: v}.` */
export function explainRefusal(filtered: Filtered): string {
  const total = filtered.refused.size + filtered.feasible.length
  if (total === 0) return 'no nodes available to schedule pods'
  const counts = new Map<string, number>()
  for (const { reasons } of filtered.refused.values()) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
  return `0/${total} nodes are available: ${parts.join(', ')}.`
}
