import { readFile, statfs } from 'node:fs/promises'
import type { Node } from '../../api/generated/types.ts'
import { nodes } from '../../api/registry.ts'
import type { Client } from '../../client/client.ts'
import type { ContainerRuntime } from '../../cri/runtime.ts'
import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { errorText } from '../../machinery/error-text.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../machinery/status.ts'
import type { Machine } from './machine.ts'
import { type NodeObservation, nodeStatusChanged, nodeStatusOf } from './node-status.ts'

export interface NodeAgentOptions {
  readonly client: Client
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly machine: Machine
  readonly nodeName: string
  /** Its own, one of each family that the cluster has. */
  readonly addresses: readonly string[]
  readonly podCidr: string
  readonly port: number
  readonly maxPods: number
  readonly kubeletVersion: string
  readonly labels: Readonly<Record<string, string>>
  readonly rootDir: string
  readonly onRegistered: (node: Node) => void
}

const heartbeatMs = 300_000
/** While not ready the runtime is asked again quickly: booting takes a moment, not a minute. */
const notReadyMs = 100
/** Without events (a runtime that died says nothing), readiness is looked at this often. */
const lookMs = 10_000

/** Registers the node and keeps its status true, until the signal ends it. */
export async function runNodeAgent(options: NodeAgentOptions): Promise<void> {
  const { clock, log, signal, nodeName, addresses } = options
  let told: boolean | undefined
  let lastWritten = Number.NEGATIVE_INFINITY
  let readySince: number | undefined
  while (!signal.aborted) {
    let waitMs = lookMs
    try {
      const { ready, wrote } = await updateNode(options, clock.now() - lastWritten >= heartbeatMs)
      if (wrote) lastWritten = clock.now()
      if (told !== ready) log.info(ready ? 'node is ready' : 'node is not ready', { node: nodeName, address: addresses.join() })
      told = ready
      readySince = ready ? (readySince ?? clock.now()) : undefined
      if (!ready) waitMs = notReadyMs
    } catch (error) {
      if (signal.aborted) return
      log.warn('node status not written', { reason: errorText(error) })
      waitMs = readySince === undefined ? 250 : lookMs
    }
    await clock.sleep(waitMs, signal).catch(() => undefined) // aborted: the loop's condition sees it
  }
}

async function updateNode(options: NodeAgentOptions, heartbeat: boolean): Promise<{ ready: boolean; wrote: boolean }> {
  const api = options.client.resource<Node>(nodes)
  const seen = await observe(options)
  const ready = seen.runtimeReady && seen.networkReady
  for (let tries = 0; ; tries++) {
    const node = await register(options)
    const status = nodeStatusOf(seen, node.status)
    if (!heartbeat && !nodeStatusChanged(node.status, status)) return { ready, wrote: false }
    try {
      options.onRegistered(await api.updateStatus({ ...node, status }))
      return { ready, wrote: true }
    } catch (error) {
      if (tries === 5 || (!isConflict(error) && !isNotFound(error))) throw error
    }
  }
}

/** The node as the API has it, made where it is missing, with our labels and pod network. */
async function register(options: NodeAgentOptions): Promise<Node> {
  const { client, nodeName, podCidr, machine } = options
  const api = client.resource<Node>(nodes)
  const labels = {
    'beta.kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': machine.architecture,
    'kubernetes.io/hostname': nodeName,
    'kubernetes.io/os': 'linux',
    ...options.labels,
  }
  let node: Node
  try {
    node = await api.get(nodeName)
  } catch (error) {
    if (!isNotFound(error)) throw error
    try {
      const made = await api.create({ metadata: { name: nodeName, labels }, spec: podCidrs(podCidr) })
      options.log.info('node registered', { node: nodeName })
      return made
    } catch (failure) {
      if (!isAlreadyExists(failure)) throw failure
      node = await api.get(nodeName)
    }
  }
  const labelled = Object.entries(labels).every(([key, value]) => node.metadata.labels?.[key] === value)
  if (labelled && node.spec.podCIDR) return node
  const spec = node.spec.podCIDR ? {} : { spec: podCidrs(podCidr) }
  return api.patch(nodeName, { type: 'merge', body: { metadata: { labels }, ...spec } })
}

async function observe(options: NodeAgentOptions): Promise<NodeObservation> {
  const { runtime, machine, nodeName, addresses, port, maxPods, kubeletVersion, clock } = options
  let answers = true
  const status = await runtime.status().catch((error: unknown) => {
    answers = false
    return { runtimeReady: false, networkReady: false, reason: `the container runtime does not answer: ${errorText(error)}` }
  })
  const [version, images, disk, memoryAvailableBytes] = await Promise.all([
    answers ? runtime.version() : undefined,
    answers ? runtime.listImages() : [],
    statfs(options.rootDir),
    availableMemory(),
  ])
  return {
    ...{ machine, nodeName, addresses, port, maxPods, kubeletVersion, images, memoryAvailableBytes, ...status },
    runtimeVersion: version ? `${version.runtimeName}://${version.runtimeVersion.replace(/^v/, '')}` : 'unknown',
    disk: { totalBytes: disk.blocks * disk.bsize, freeBytes: disk.bavail * disk.bsize },
    now: clock.now(),
  }
}

async function availableMemory(): Promise<number> {
  const kibibytes = /^MemAvailable:\s+(\d+)/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]
  return Number(kibibytes ?? 0) * 1024
}

/** One range, or one of each family with a comma between. */
function podCidrs(text: string): { podCIDR: string; podCIDRs: string[] } {
  const all = text.split(',')
  return { podCIDR: all[0] as string, podCIDRs: all }
}
