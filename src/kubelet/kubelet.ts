import { mkdir } from 'node:fs/promises'
import type { Node, Pod, Service } from '../api/generated/types.ts'
import { pods, services } from '../api/registry.ts'
import { EventRecorder, referenceTo } from '../client/event-recorder.ts'
import { startInformer } from '../client/informer.ts'
import { readIfThere } from '../host/files.ts'
import { errorText } from '../machinery/error-text.ts'
import { parseResolvConf } from './dns.ts'
import { rotateLogs } from './logs/rotate-logs.ts'
import { renewLease } from './node/lease.ts'
import { readMachine } from './node/machine.ts'
import { runNodeAgent } from './node/node-agent.ts'
import { PodObserver } from './observed-pod.ts'
import type { Kubelet, KubeletOptions } from './options.ts'
import type { PodDeps } from './pod-deps.ts'
import { PodManager } from './pod-manager.ts'
import { ReferencedObjectCache } from './referenced-objects.ts'
import { startKubeletServer } from './server/kubelet-server.ts'
import { within } from './within.ts'

export type { Kubelet, KubeletOptions } from './options.ts'

/** Without events nothing is missed for longer than this. */
const relistMs = 60_000

/** Starts the node agent: registers the node and runs the pods that are bound to it. Resolves once its server listens and its pods are known. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { client, clock, random, signal, nodeName, nodeAddress, secondNodeAddress } = options
  const log = options.log.named('kubelet')
  for (const folder of [options.rootDir, options.logDir]) await mkdir(folder, { recursive: true, mode: 0o750 })
  const machine = await readMachine()
  const common = { client, clock, random, log, signal }
  const serviceInformer = startInformer<Service>({ ...common, resource: services })
  const recorder = new EventRecorder({ ...common, component: 'kubelet', host: nodeName })
  let node: Node | undefined
  const deps: PodDeps = {
    ...common,
    ...{ runtime: options.runtime, exec: options.exec, rootDir: options.rootDir, nodeName, nodeAddress, secondNodeAddress },
    observer: new PodObserver(options.runtime),
    objects: new ReferencedObjectCache(common),
    events: (pod, type, reason, message, container) =>
      recorder.event(referenceTo(pod, container && fieldPath(pod, container)), type, reason, message),
    services: async () => {
      const message = 'services have not yet been read at least once, cannot construct envvars'
      if (!serviceInformer.hasSynced) await within(clock, 10_000, serviceInformer.synced(), message)
      return serviceInformer.list()
    },
    sandbox: {
      ...{ logDir: options.logDir, cgroupRoot: options.cgroupRoot, nodeName },
      ...{
        clusterDns: options.clusterDns,
        clusterDomain: options.clusterDomain,
        host: parseResolvConf((await readIfThere('/etc/resolv.conf')) ?? ''),
      },
    },
    hostsText: (await readIfThere('/etc/hosts')) ?? '',
    cpuCores: machine.cpuCores,
    memoryBytes: machine.memoryBytes,
  }
  const manager = new PodManager(deps, () => node)
  const server = await startKubeletServer({ ...deps, manager, server: options.server })
  const tasks: Promise<unknown>[] = [server.closed]
  if (options.registerNode ?? true) {
    const { promise: registered, resolve } = Promise.withResolvers<void>()
    const onRegistered = (seen: Node): void => {
      node = seen
      resolve()
    }
    const addresses = secondNodeAddress === undefined ? [nodeAddress] : [nodeAddress, secondNodeAddress]
    const agent = { ...deps, machine, addresses, podCidr: options.podCidr, port: server.port, maxPods: options.maxPods ?? 110 }
    tasks.push(runNodeAgent({ ...agent, kubeletVersion: options.versions.kubelet, labels: options.labels ?? {}, onRegistered }))
    tasks.push(registered.then(() => renewLease({ ...common, nodeName, node: () => node })))
    signal.addEventListener('abort', () => resolve(), { once: true })
    recorder.event(nodeReference(nodeName), 'Normal', 'Starting', 'Starting kubelet.')
    await registered
  }
  const podInformer = startInformer<Pod>({ ...common, resource: pods, fieldSelector: `spec.nodeName=${nodeName}` })
  podInformer.on({
    added: (pod) => manager.added(pod),
    updated: (pod, previous) => manager.updated(pod, previous),
    deleted: (pod) => manager.deleted(pod),
  })
  tasks.push(followRuntime(deps, manager), relist(deps, manager), rotateLogs(deps, manager))
  await Promise.race([podInformer.synced(), aborted(signal)])
  tasks.push(removeOrphans(deps, manager))
  return { port: server.port, stopped: Promise.allSettled(tasks).then(() => undefined) }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** `spec.containers{web}`: how events name a container. */
function fieldPath(pod: Pod, container: string): string {
  const list = pod.spec.initContainers?.some(({ name }) => name === container) ? 'initContainers' : 'containers'
  return `spec.${list}{${container}}`
}

/** Upstream's node events carry the node's name as uid, so that they are found before the node is. */
function nodeReference(name: string): { apiVersion: string; kind: string; name: string; uid: string } {
  return { apiVersion: 'v1', kind: 'Node', name, uid: name }
}

async function followRuntime({ runtime, signal, clock, log }: PodDeps, manager: PodManager): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of runtime.events(signal)) {
        if (event.type === 'lost') manager.wakeAll()
        else manager.touched(event.id)
      }
    } catch (error) {
      if (signal.aborted) return
      log.warn('container events broke off', { reason: errorText(error) })
    }
    if (signal.aborted) return
    manager.wakeAll()
    await clock.sleep(1000, signal).catch(() => undefined) // aborted: the loop's condition sees it
  }
}

async function relist({ signal, clock }: PodDeps, manager: PodManager): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(relistMs, signal).catch(() => undefined) // aborted: the loop's condition sees it
    manager.wakeAll()
  }
}

/** Once, but surely: the runtime may still be starting. */
async function removeOrphans({ signal, clock, log }: PodDeps, manager: PodManager): Promise<void> {
  while (!signal.aborted) {
    try {
      return await manager.removeOrphans()
    } catch (error) {
      log.warn('orphaned pods not looked for yet', { reason: errorText(error) })
      await clock.sleep(1000, signal).catch(() => undefined) // aborted: the loop's condition sees it
    }
  }
}
