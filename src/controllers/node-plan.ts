import { podCondition } from '../api/core/pod-facts.ts'
import { tolerates } from '../api/core/tolerations.ts'
import type { Node, NodeCondition, Pod, Taint } from '../api/generated/types.ts'
import { timestamp } from '../host/clock.ts'

/** A node that has not renewed its lease for this long is taken for lost. */
export const nodeGraceMs = 40_000

const notReady = 'node.kubernetes.io/not-ready'
const unreachable = 'node.kubernetes.io/unreachable'
const unschedulable = 'node.kubernetes.io/unschedulable'
const pressureTaints: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
}
const managed = new Set([notReady, unreachable, unschedulable, ...Object.values(pressureTaints)])

export function nodeReady(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === 'Ready')
}

/** The conditions of a node that has fallen silent; undefined: they say so already. */
export function silentConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const before = node.status?.conditions ?? []
  const types = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']
  if (types.every((type) => before.find((one) => one.type === type)?.status === 'Unknown')) return undefined
  const others = before.filter((one) => !types.includes(one.type))
  const silent = types.map((type): NodeCondition => {
    const present = before.find((one) => one.type === type)
    if (present?.status === 'Unknown') return present
    const never = { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' }
    const stopped = { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' }
    return { ...present, type, ...(present ? stopped : never), status: 'Unknown', lastTransitionTime: timestamp(nowMs) }
  })
  return [...others, ...silent]
}

/** The taints that follow from a node's state, others kept; undefined: they are as they should be. */
export function wantedTaints(node: Node, nowMs: number): Taint[] | undefined {
  const wanted: { key: string; effect: string }[] = []
  const ready = nodeReady(node)?.status
  const before = node.spec.taints ?? []
  // A node that has not said anything yet keeps what it was admitted with.
  if (ready === undefined) wanted.push(...before.filter((taint) => taint.key === notReady || taint.key === unreachable))
  else if (ready !== 'True') {
    const key = ready === 'False' ? notReady : unreachable
    wanted.push({ key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' })
  }
  for (const [type, key] of Object.entries(pressureTaints)) {
    if (node.status?.conditions?.some((one) => one.type === type && one.status === 'True')) wanted.push({ key, effect: 'NoSchedule' })
  }
  if (node.spec.unschedulable) wanted.push({ key: unschedulable, effect: 'NoSchedule' })
  const same = (a: { key: string; effect: string }, b: { key: string; effect: string }): boolean => a.key === b.key && a.effect === b.effect
  const kept = before.filter((taint) => !managed.has(taint.key) || wanted.some((one) => same(one, taint)))
  const added = wanted.filter((one) => !before.some((taint) => same(one, taint)))
  if (added.length === 0 && kept.length === before.length) return undefined
  return [...kept, ...added.map((one) => (one.effect === 'NoExecute' ? { ...one, timeAdded: timestamp(nowMs) } : one))]
}

/**
 * When the pod has to leave its node because of NoExecute taints, in ms since the epoch; undefined: it may stay. What it tolerates for
 * a while it tolerates from when the taint came (`seenAtMs` tells of one that does not say so itself) or the pod did, whichever is later.
 */
export function evictionAtMs(pod: Pod, node: Node, nowMs: number, seenAtMs: (taint: Taint) => number): number | undefined {
  const boundAt = podCondition(pod, 'PodScheduled')?.lastTransitionTime
  let at: number | undefined
  for (const taint of node.spec.taints ?? []) {
    if (taint.effect !== 'NoExecute') continue
    const tolerations = (pod.spec.tolerations ?? []).filter((one) => tolerates(one, taint))
    if (tolerations.length === 0) return nowMs
    const seconds = tolerations.flatMap((one) => (one.tolerationSeconds === undefined ? [] : [Math.max(0, one.tolerationSeconds)]))
    if (seconds.length === 0) continue
    const taintedAt = taint.timeAdded ? Date.parse(taint.timeAdded) : seenAtMs(taint)
    const due = Math.max(taintedAt, boundAt ? Date.parse(boundAt) : 0) + Math.min(...seconds) * 1000
    at = Math.min(at ?? due, due)
  }
  return at
}
