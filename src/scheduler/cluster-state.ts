import { isSidecar } from '../api/core/pod-facts.ts'
import { type Amounts, amountsOf, assumedRequests, podRequests } from '../api/core/pod-requests.ts'
import type { ContainerPort, Node, Pod } from '../api/generated/types.ts'

/** A node and what stands on it, pods on their way there included. */
export interface NodeInfo {
  readonly name: string
  readonly node: Node
  readonly labels: Readonly<Record<string, string>>
  readonly allocatable: Amounts
  readonly pods: readonly Pod[]
  readonly requested: Amounts
  /** With the amounts that pods without requests are taken to need. */
  readonly assumedRequested: Amounts
  readonly hostPorts: readonly ContainerPort[]
}

/** What one scheduling decision is made from. */
export interface ClusterView {
  readonly nodes: readonly NodeInfo[]
  namespaceLabels(namespace: string): Readonly<Record<string, string>>
}

/** Host ports that a pod's containers hold on their node. */
export function hostPortsOf(pod: Pod): ContainerPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar)
  return [...pod.spec.containers, ...sidecars].flatMap((container) => (container.ports ?? []).filter((port) => port.hostPort))
}

interface Placed {
  readonly pod: Pod
  readonly node: string
}

/**
 * Nodes and the pods on them. A pod counts from the moment it is assumed to go to a node, before the API says so, and
 * until it is deleted or has finished.
 */
export class ClusterState {
  readonly #nodes = new Map<string, Node>()
  /** By uid. */
  readonly #placed = new Map<string, Placed>()
  readonly #podsByNode = new Map<string, Map<string, Pod>>()
  /** What has been worked out about a node; dropped when it or its pods change. */
  readonly #infos = new Map<string, NodeInfo>()

  setNode(node: Node): void {
    this.#nodes.set(node.metadata.name, node)
    this.#infos.delete(node.metadata.name)
  }

  removeNode(name: string): void {
    this.#nodes.delete(name)
    this.#infos.delete(name)
  }

  /** Puts or moves a pod; `node` is where it is, or is assumed to go. */
  place(pod: Pod, node: string): void {
    this.remove(pod.metadata.uid)
    this.#placed.set(pod.metadata.uid, { pod, node })
    const pods = this.#podsByNode.get(node) ?? new Map<string, Pod>()
    this.#podsByNode.set(node, pods)
    pods.set(pod.metadata.uid, pod)
    this.#infos.delete(node)
  }

  remove(uid: string): void {
    const placed = this.#placed.get(uid)
    if (!placed) return
    this.#placed.delete(uid)
    const pods = this.#podsByNode.get(placed.node)
    pods?.delete(uid)
    if (pods?.size === 0) this.#podsByNode.delete(placed.node)
    this.#infos.delete(placed.node)
  }

  isPlaced(uid: string): boolean {
    return this.#placed.has(uid)
  }

  nodes(): NodeInfo[] {
    return [...this.#nodes.values()].map((node) => this.#info(node))
  }

  #info(node: Node): NodeInfo {
    const { name } = node.metadata
    const known = this.#infos.get(name)
    if (known) return known
    const info = nodeInfo(node, [...(this.#podsByNode.get(name)?.values() ?? [])])
    this.#infos.set(name, info)
    return info
  }
}

export function nodeInfo(node: Node, pods: readonly Pod[]): NodeInfo {
  return {
    name: node.metadata.name,
    node,
    labels: node.metadata.labels ?? {},
    allocatable: amountsOf(node.status?.allocatable ?? node.status?.capacity),
    pods,
    requested: total(pods.map(podRequests)),
    assumedRequested: total(pods.map(assumedRequests)),
    hostPorts: pods.flatMap(hostPortsOf),
  }
}

function total(amounts: readonly Amounts[]): Map<string, number> {
  const sum = new Map<string, number>()
  for (const each of amounts) for (const [name, amount] of each) sum.set(name, (sum.get(name) ?? 0) + amount)
  return sum
}
