import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../client/client.ts'
import { connectContainerd } from '../cri/containerd.ts'
import { removeRuntimeLeftovers, stopContainerd } from '../cri/containerd-process.ts'
import { type ContainerRuntime, RuntimeError } from '../cri/runtime.ts'
import { runningProcess, stopProcess } from '../host/processes.ts'
import { openNftables } from '../netfilter/nftables/open-nftables.ts'
import { removePodNetwork } from '../podnet/pod-network.ts'
import { removeProxyRules } from '../proxy/proxy.ts'
import { adminClient } from './admin-client.ts'
import { cgroupRootOf, containerdOptions, containerdSocket, podNetworkOptions } from './agent.ts'
import type { ClusterConfig } from './config.ts'
import { removeDataLink } from './config-file.ts'
import { cleanUserKubeconfig } from './kubeconfig-files.ts'
import { markStopped } from './mark-stopped.ts'
import { containerdPidFile, pathsOf } from './paths.ts'
import type { OperatorDeps, Step } from './steps.ts'
import { stopStrayProcesses } from './stray-processes.ts'
import { pidFileOf, roleGraceMs } from './up.ts'

/** What a container gets to end by itself when the whole cluster goes down. */
const containerGraceSeconds = 3
/** How long pods' removal is tried. */
const sandboxesTimeoutMs = 15_000

/** Stops everything and takes away all that the cluster made on this machine; its data stays unless `deleteData`. */
export function downSteps(config: ClusterConfig, options: { deleteData: boolean }, deps: OperatorDeps): Step[] {
  const paths = pathsOf(config)
  const stopRole = async (role: 'server' | 'agent'): Promise<string | undefined> => {
    const mark = await runningProcess(pidFileOf(config, role))
    if (!mark) return 'was not running'
    await stopProcess(mark, roleGraceMs, deps.clock)
    return undefined
  }
  const steps: Step[] = [
    {
      title: 'Agent',
      async run() {
        await stopStrayProcesses(config, deps)
        return await stopRole('agent')
      },
    },
    { title: 'Pods', run: (report) => stopPods(config, deps, report) },
    {
      title: 'Server',
      async run() {
        if (!config.serverOnly && (await runningProcess(pidFileOf(config, 'server')))) await writeDownStop(config, deps)
        return await stopRole('server')
      },
    },
    {
      title: 'containerd',
      async run() {
        const options = containerdOptions(config)
        await stopContainerd(options, deps)
        await removeRuntimeLeftovers({ ...options, cgroupRoot: cgroupRootOf(config.name), volumeDir: paths.kubelet }, deps)
        return undefined
      },
    },
    {
      title: 'Network',
      async run() {
        await removeProxyRules({ exec: deps.exec, openNftables: openNftables(deps), chainTag: config.chainTag })
        await removePodNetwork(podNetworkOptions(config), { exec: deps.exec, log: deps.log })
        return undefined
      },
    },
  ]
  if (options.deleteData) {
    steps.push({
      title: 'Data',
      async run() {
        await removeData(config.dataDir)
        await removeDataLink(config.name)
        await cleanUserKubeconfig(config.name, deps.exec)
        return `removed ${config.dataDir}`
      },
    })
  }
  const [first, ...rest] = steps as [Step, ...Step[]]
  return [first, ...rest, { title: 'Run-time files', run: () => removeRuntimeFiles(config) }]
}

/** A data folder that is a file system of its own is emptied. */
async function removeData(dataDir: string): Promise<void> {
  try {
    await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error
    for (const name of await readdir(dataDir)) await rm(join(dataDir, name), { recursive: true, force: true })
  }
}

async function removeRuntimeFiles({ name, runDir, dataDir }: ClusterConfig): Promise<undefined> {
  await rm(runDir, { recursive: true, force: true })
  if (!existsSync(dataDir)) await removeDataLink(name)
}

/** A server that no longer answers is only stopped: its objects then say what the next boot finds out anyway. */
async function writeDownStop(config: ClusterConfig, deps: OperatorDeps): Promise<void> {
  let client: Client | undefined
  try {
    client = await adminClient(config)
    await markStopped(client, config.nodeName, deps.clock)
  } catch (error) {
    deps.log.warn('the stop could not be written down', { error })
  } finally {
    await client?.close()
  }
}

/**
 * Containers get a short notice; then sandboxes go, so that each gives its address and links back. What an agent that has just ended
 * was starting, containerd can't remove before it has given that up: it is tried again. What stays stubborn ends with containerd.
 */
async function stopPods(config: ClusterConfig, deps: OperatorDeps, report: (text: string) => void): Promise<string | undefined> {
  const containerd = await runningProcess(containerdPidFile(config))
  if (!containerd) return 'containerd was not running'
  if (!existsSync(pathsOf(config).containerdData)) return 'end with containerd, whose data has been removed'
  const runtime = connectContainerd({ socket: containerdSocket(config), clock: deps.clock, log: deps.log })
  try {
    return await removeSandboxes(runtime, deps, report)
  } finally {
    runtime.close()
  }
}

/** Answers how it went. A containerd that answers nothing in order is no reason to leave a machine as it is. */
export async function removeSandboxes(
  runtime: ContainerRuntime,
  deps: Pick<OperatorDeps, 'clock' | 'log'>,
  report: (text: string) => void,
): Promise<string | undefined> {
  const deadline = deps.clock.monotonic() + sandboxesTimeoutMs
  const seen = new Set<string>()
  let reported = 0
  for (;;) {
    try {
      const sandboxes = await runtime.listPodSandboxes()
      if (sandboxes.length === 0) return seen.size > 0 ? `stopped ${seen.size}` : undefined
      for (const { id } of sandboxes) seen.add(id)
      if (reported !== sandboxes.length) report(`stopping ${sandboxes.length}`)
      reported = sandboxes.length
      await stopContainers(runtime)
      await allOrFirstError(sandboxes.map(({ id }) => removeSandbox(runtime, id)))
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error
      if (deps.clock.monotonic() > deadline) {
        deps.log.warn('pods could not be removed in order: they end with containerd', { error })
        return `what could not be removed ends with containerd (${error.message})`
      }
      await deps.clock.sleep(200)
    }
  }
}

async function removeSandbox(runtime: ContainerRuntime, id: string): Promise<void> {
  await runtime.stopPodSandbox(id)
  await runtime.removePodSandbox(id)
}

async function stopContainers(runtime: ContainerRuntime): Promise<void> {
  const containers = await runtime.listContainers()
  const running = containers.filter(({ state }) => state === 'running')
  await allOrFirstError(running.map(({ id }) => runtime.stopContainer(id, containerGraceSeconds)))
}

/** Unlike Promise.all, it lets every one end before it throws. */
async function allOrFirstError(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
