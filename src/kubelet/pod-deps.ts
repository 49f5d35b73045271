import type { Pod, Service } from '../api/generated/types.ts'
import type { Client } from '../client/client.ts'
import type { ContainerRuntime } from '../cri/runtime.ts'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { NodeFacts } from './env/field-ref.ts'
import type { PodObserver } from './observed-pod.ts'
import type { ReferencedObjectCache } from './referenced-objects.ts'
import type { SandboxSources } from './sandbox-config.ts'

/** Tells the world what happened to a pod; `container` names the part of it, as in `spec.containers{web}`. */
export type PodEvents = (pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string) => void

/** What all pods' workers share. */
export interface PodDeps {
  readonly client: Client
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly exec: Exec
  readonly signal: AbortSignal
  readonly observer: PodObserver
  readonly objects: ReferencedObjectCache
  readonly events: PodEvents
  /** All Services, once they are known. */
  readonly services: () => Promise<readonly Service[]>
  readonly rootDir: string
  readonly nodeName: string
  readonly nodeAddress: string
  readonly secondNodeAddress: string | undefined
  readonly sandbox: SandboxSources
  /** The node's /etc/hosts, for pods on its network. */
  readonly hostsText: string
  readonly cpuCores: number
  readonly memoryBytes: number
}

/** What the downward API tells a pod of itself and its node. */
export function factsOf(
  pod: Pod,
  sandbox: { readonly ip: string; readonly additionalIps: readonly string[] } | undefined,
  { nodeName, nodeAddress, secondNodeAddress, cpuCores, memoryBytes }: PodDeps,
): NodeFacts {
  const nodeAddresses = secondNodeAddress === undefined ? [nodeAddress] : [nodeAddress, secondNodeAddress]
  const podIps = pod.spec.hostNetwork ? nodeAddresses : sandbox?.ip ? [sandbox.ip, ...sandbox.additionalIps] : []
  return { nodeName, nodeAddresses, podIps, cpuCores, memoryBytes }
}
