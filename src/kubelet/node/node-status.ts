import type { NodeCondition, NodeStatus } from '../../api/generated/types.ts'
import type { Image } from '../../cri/runtime.ts'
import { timestamp } from '../../host/clock.ts'
import type { Machine } from './machine.ts'

export interface NodeObservation {
  readonly machine: Machine
  readonly nodeName: string
  readonly addresses: readonly string[]
  readonly port: number
  readonly maxPods: number
  readonly kubeletVersion: string
  readonly runtimeVersion: string
  readonly runtimeReady: boolean
  readonly networkReady: boolean
  readonly reason: string
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number }
  readonly memoryAvailableBytes: number
  readonly images: readonly Image[]
  readonly now: number
}

/** Of the images the largest are listed, as upstream does. */
const maxImages = 50
/** Below these the node is under pressure. */
const memoryFloorBytes = 100 * 2 ** 20
const diskFloorShare = 0.05

const kibibytes = (bytes: number): string => `${Math.floor(bytes / 1024)}Ki`

/** The node's status as it should be now; conditions keep their transition times while they don't change. Pure. */
export function nodeStatusOf(seen: NodeObservation, previous: NodeStatus | undefined): NodeStatus {
  const resources = {
    cpu: String(seen.machine.cpuCores),
    'ephemeral-storage': kibibytes(seen.disk.totalBytes),
    memory: kibibytes(seen.machine.memoryBytes),
    pods: String(seen.maxPods),
  }
  return {
    ...previous,
    addresses: [...seen.addresses.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: seen.nodeName }],
    allocatable: resources,
    capacity: resources,
    conditions: conditionsOf(seen, previous?.conditions ?? []),
    daemonEndpoints: { kubeletEndpoint: { Port: seen.port } },
    images: [...seen.images]
      .sort((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, maxImages)
      .map(({ tags, digests, sizeBytes }) => ({ names: [...digests, ...tags].slice(0, 5), sizeBytes })),
    nodeInfo: {
      architecture: seen.machine.architecture,
      bootID: seen.machine.bootId,
      containerRuntimeVersion: seen.runtimeVersion,
      kernelVersion: seen.machine.kernelVersion,
      kubeProxyVersion: '',
      kubeletVersion: seen.kubeletVersion,
      machineID: seen.machine.machineId,
      operatingSystem: 'linux',
      osImage: seen.machine.osImage,
      systemUUID: seen.machine.systemUuid,
    },
  }
}

type Verdict = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>

function conditionsOf(seen: NodeObservation, before: readonly NodeCondition[]): NodeCondition[] {
  const shortOfMemory = seen.memoryAvailableBytes < memoryFloorBytes
  const shortOfDisk = seen.disk.freeBytes < seen.disk.totalBytes * diskFloorShare
  const trouble = [
    ...(seen.runtimeReady ? [] : ['container runtime is down']),
    ...(seen.networkReady
      ? []
      : [`container runtime network not ready: NetworkReady=false reason:${seen.reason || 'NetworkPluginNotReady'}`]),
  ]
  const verdicts: Verdict[] = [
    shortOfMemory
      ? {
          type: 'MemoryPressure',
          status: 'True',
          reason: 'KubeletHasInsufficientMemory',
          message: 'kubelet has insufficient memory available',
        }
      : {
          type: 'MemoryPressure',
          status: 'False',
          reason: 'KubeletHasSufficientMemory',
          message: 'kubelet has sufficient memory available',
        },
    shortOfDisk
      ? { type: 'DiskPressure', status: 'True', reason: 'KubeletHasDiskPressure', message: 'kubelet has disk pressure' }
      : { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure', message: 'kubelet has no disk pressure' },
    { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID', message: 'kubelet has sufficient PID available' },
    trouble.length > 0
      ? { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: trouble.join(', ') }
      : { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
  ]
  const own = verdicts.map((verdict) => {
    const known = before.find(({ type }) => type === verdict.type)
    const lastTransitionTime = known?.status === verdict.status && known.lastTransitionTime ? known.lastTransitionTime : timestamp(seen.now)
    return { ...verdict, lastHeartbeatTime: timestamp(seen.now), lastTransitionTime }
  })
  return [...before.filter(({ type }) => !own.some((condition) => condition.type === type)), ...own]
}

/** True where two statuses differ in more than heartbeats. */
export function nodeStatusChanged(a: NodeStatus | undefined, b: NodeStatus): boolean {
  const still = (status: NodeStatus | undefined): string =>
    JSON.stringify({ ...status, conditions: status?.conditions?.map(({ lastHeartbeatTime: _, ...rest }) => rest) }, sortedKeys)
  return still(a) !== still(b)
}

function sortedKeys(_: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
