import { qosClass } from '../api/core/pod-qos.ts'
import type { Container, Pod } from '../api/generated/types.ts'
import type { LinuxResources } from '../cri/runtime.ts'
import { quantityNumber } from '../machinery/quantity.ts'

/** Microseconds: the kernel's own default. */
const cpuPeriod = 100_000

/** A core is 1024 shares; the kernel takes 2 to 262144. */
export function cpuShares(cores: number): number {
  return Math.min(Math.max(Math.floor(cores * 1024), 2), 262_144)
}

/** 0: no limit; the kernel refuses less than a millisecond. */
export function cpuQuota(cores: number): number {
  return cores > 0 ? Math.max(Math.ceil(cores * cpuPeriod), 1000) : 0
}

/** What the kernel is told of a container: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ */
export function linuxResources(pod: Pod, container: Container, nodeMemoryBytes: number): LinuxResources {
  const { requests, limits } = container.resources ?? {}
  const amountOf = (quantity: string | undefined): number => quantityNumber(quantity ?? '0')
  return {
    cpuPeriod,
    cpuQuota: cpuQuota(amountOf(limits?.cpu)),
    cpuShares: cpuShares(amountOf(requests?.cpu ?? limits?.cpu)),
    memoryLimitBytes: Math.floor(amountOf(limits?.memory)),
    oomScoreAdj: oomScore(pod, amountOf(requests?.memory ?? limits?.memory), nodeMemoryBytes),
  }
}

/** https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#node-out-of-memory-behavior */
function oomScore(pod: Pod, requestedBytes: number, nodeMemoryBytes: number): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return -997
  const qos = pod.status?.qosClass ?? qosClass(pod)
  if (qos === 'Guaranteed') return -997
  if (qos === 'BestEffort') return 1000
  const score = Math.floor(1000 - (1000 * requestedBytes) / nodeMemoryBytes)
  return Math.min(Math.max(score, 3), 999)
}

/** `/ownkube-x/burstable/pod<uid>`; guaranteed pods lie directly below the root, as upstream's do. */
export function cgroupParent(cgroupRoot: string, pod: Pod): string {
  const qos = pod.status?.qosClass ?? qosClass(pod)
  const folder = qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`
  return `${cgroupRoot}${folder}/pod${pod.metadata.uid}`
}

/** Wherever a pod's cgroup may lie: of one that the API has forgotten the class is not known any more. */
export function cgroupParents(cgroupRoot: string, podUid: string): string[] {
  return ['', '/burstable', '/besteffort'].map((folder) => `${cgroupRoot}${folder}/pod${podUid}`)
}
