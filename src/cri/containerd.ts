import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { type Decoded, decode, type Encodable, encode, type Fields } from '../machinery/protobuf.ts'
import { ContainerdChannel } from './containerd-channel.ts'
import { containerStatusFrom, containerSummaryFrom, imageFrom, sandboxStatusFrom, sandboxSummaryFrom } from './cri-answers.ts'
import * as cri from './cri-messages.ts'
import { containerMessage, podUidLabel, resourcesMessage, sandboxMessage } from './cri-requests.ts'
import { type ContainerRuntime, type Image, RuntimeError } from './runtime.ts'
import { runtimeEvents } from './runtime-events.ts'

/** What the kubelet upstream allows a runtime call (runtimeRequestTimeout). */
const callTimeoutMs = 120_000
const outputLimitBytes = 2 ** 20

/** One method of CRI: its path and the shapes of question and answer. */
interface Method<Q extends Fields, A extends Fields> {
  path: string
  question: Q
  answer: A
}

const runtime = <Q extends Fields, A extends Fields>(name: string, question: Q, answer: A): Method<Q, A> => ({
  path: `/runtime.v1.RuntimeService/${name}`,
  question,
  answer,
})
const images = <Q extends Fields, A extends Fields>(name: string, question: Q, answer: A): Method<Q, A> => ({
  path: `/runtime.v1.ImageService/${name}`,
  question,
  answer,
})

const methods = {
  version: runtime('Version', cri.VersionRequest, cri.VersionResponse),
  status: runtime('Status', cri.StatusRequest, cri.StatusResponse),
  runPodSandbox: runtime('RunPodSandbox', cri.RunPodSandboxRequest, cri.SandboxId),
  stopPodSandbox: runtime('StopPodSandbox', cri.SandboxId, cri.Empty),
  removePodSandbox: runtime('RemovePodSandbox', cri.SandboxId, cri.Empty),
  podSandboxStatus: runtime('PodSandboxStatus', cri.SandboxId, cri.PodSandboxStatusResponse),
  listPodSandbox: runtime('ListPodSandbox', cri.ListPodSandboxRequest, cri.ListPodSandboxResponse),
  createContainer: runtime('CreateContainer', cri.CreateContainerRequest, cri.ContainerId),
  startContainer: runtime('StartContainer', cri.ContainerId, cri.Empty),
  stopContainer: runtime('StopContainer', cri.StopContainerRequest, cri.Empty),
  removeContainer: runtime('RemoveContainer', cri.ContainerId, cri.Empty),
  containerStatus: runtime('ContainerStatus', cri.ContainerId, cri.ContainerStatusResponse),
  listContainers: runtime('ListContainers', cri.ListContainersRequest, cri.ListContainersResponse),
  updateContainerResources: runtime('UpdateContainerResources', cri.UpdateContainerResourcesRequest, cri.Empty),
  containerStats: runtime('ContainerStats', cri.ContainerId, cri.ContainerStatsResponse),
  reopenContainerLog: runtime('ReopenContainerLog', cri.ContainerId, cri.Empty),
  execSync: runtime('ExecSync', cri.ExecSyncRequest, cri.ExecSyncResponse),
  exec: runtime('Exec', cri.ExecRequest, cri.StreamUrl),
  attach: runtime('Attach', cri.AttachRequest, cri.StreamUrl),
  portForward: runtime('PortForward', cri.PortForwardRequest, cri.StreamUrl),
  imageStatus: images('ImageStatus', cri.ImageRequest, cri.ImageStatusResponse),
  listImages: images('ListImages', cri.Empty, cri.ListImagesResponse),
  pullImage: images('PullImage', cri.PullImageRequest, cri.PullImageResponse),
  removeImage: images('RemoveImage', cri.ImageRequest, cri.Empty),
  imageFsInfo: images('ImageFsInfo', cri.Empty, cri.ImageFsInfoResponse),
}

/** CRI's v1 over a containerd's socket. Connects at the first call; `close` ends the connection and everything on it. */
export function connectContainerd(options: { socket: string; clock: Clock; log: Log }): ContainerRuntime & { close(): void } {
  const channel = new ContainerdChannel(options)

  async function ask<Q extends Fields, A extends Fields>(
    method: Method<Q, A>,
    question: Encodable<Q>,
    timeoutMs: number | undefined,
  ): Promise<Decoded<A>> {
    return decode(method.answer, await channel.unary(method.path, encode(method.question, question), { timeoutMs }))
  }
  const call = <Q extends Fields, A extends Fields>(method: Method<Q, A>, question: Encodable<Q>, timeoutMs = callTimeoutMs) =>
    ask(method, question, timeoutMs)

  /** For calls whose aim is that a thing be gone. */
  async function callUnlessGone<Q extends Fields>(method: Method<Q, Fields>, question: Encodable<Q>, timeoutMs?: number): Promise<void> {
    try {
      await call(method, question, timeoutMs)
    } catch (error) {
      if (!(error instanceof RuntimeError && error.code === 'NotFound')) throw error
    }
  }

  const connection: ContainerRuntime & { close(): void } = {
    close: () => channel.close(),

    async version() {
      const { runtimeName, runtimeVersion, runtimeApiVersion } = await call(methods.version, {})
      return { runtimeName, runtimeVersion, apiVersion: runtimeApiVersion }
    },
    async status() {
      const { status } = await call(methods.status, {})
      const conditions = status?.conditions ?? []
      const condition = (type: string) => conditions.find((one) => one.type === type)
      const bad = conditions.filter((one) => !one.status).map(({ reason, message }) => `${reason}: ${message}`)
      return {
        runtimeReady: condition('RuntimeReady')?.status ?? false,
        networkReady: condition('NetworkReady')?.status ?? false,
        reason: bad.join('; '),
      }
    },

    async runPodSandbox(config, handler = '') {
      const request = { config: sandboxMessage(config), runtimeHandler: handler }
      // Network plugins may be slow: upstream allows twice the usual time.
      return (await call(methods.runPodSandbox, request, 2 * callTimeoutMs)).podSandboxId
    },
    stopPodSandbox: (podSandboxId) => callUnlessGone(methods.stopPodSandbox, { podSandboxId }),
    async removePodSandbox(podSandboxId) {
      await callUnlessGone(methods.removePodSandbox, { podSandboxId })
      for (const [containerId, sandboxId] of sandboxIds) if (sandboxId === podSandboxId) sandboxIds.delete(containerId)
    },
    async podSandboxStatus(podSandboxId) {
      return sandboxStatusFrom(await call(methods.podSandboxStatus, { podSandboxId }))
    },
    async listPodSandboxes({ podUid } = {}) {
      const filter = podUid === undefined ? undefined : { labelSelector: { [podUidLabel]: podUid } }
      return (await call(methods.listPodSandbox, { filter })).items.map(sandboxSummaryFrom)
    },

    async createContainer(podSandboxId, config, sandbox) {
      const question = { podSandboxId, config: containerMessage(config, sandbox), sandboxConfig: sandboxMessage(sandbox) }
      return (await call(methods.createContainer, question)).containerId
    },
    async startContainer(containerId) {
      await call(methods.startContainer, { containerId })
    },
    stopContainer: (containerId, timeoutSeconds) =>
      callUnlessGone(methods.stopContainer, { containerId, timeout: timeoutSeconds }, timeoutSeconds * 1000 + callTimeoutMs),
    async removeContainer(containerId) {
      await callUnlessGone(methods.removeContainer, { containerId })
      sandboxIds.delete(containerId)
    },
    async containerStatus(containerId) {
      return containerStatusFrom(await call(methods.containerStatus, { containerId }), await sandboxIdOf(containerId))
    },
    async listContainers({ podUid } = {}) {
      const filter = podUid === undefined ? undefined : { labelSelector: { [podUidLabel]: podUid } }
      return (await call(methods.listContainers, { filter })).containers.map(containerSummaryFrom)
    },
    async updateContainerResources(containerId, resources) {
      await call(methods.updateContainerResources, { containerId, linux: resourcesMessage(resources) })
    },
    async containerStats(containerId) {
      const { stats } = await call(methods.containerStats, { containerId })
      return {
        id: containerId,
        cpuNanoseconds: stats?.cpu?.usageCoreNanoSeconds?.value ?? 0,
        memoryWorkingSetBytes: stats?.memory?.workingSetBytes?.value ?? 0,
        timestamp: Math.floor((stats?.cpu?.timestamp ?? 0) / 1e6),
      }
    },
    async reopenContainerLog(containerId) {
      await call(methods.reopenContainerLog, { containerId })
    },

    async execSync(containerId, cmd, timeoutSeconds) {
      const allowedMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + callTimeoutMs : undefined
      const answer = await ask(methods.execSync, { containerId, cmd, timeout: timeoutSeconds }, allowedMs)
      const cut = (output: Uint8Array) => output.subarray(0, outputLimitBytes)
      return { exitCode: answer.exitCode, stdout: cut(answer.stdout), stderr: cut(answer.stderr) }
    },
    async exec({ command, ...request }) {
      return call(methods.exec, { ...request, cmd: command })
    },
    attach: (request) => call(methods.attach, request),
    portForward: ({ sandboxId, ports }) => call(methods.portForward, { podSandboxId: sandboxId, port: ports }),

    async imageStatus(image): Promise<Image | undefined> {
      const found = (await call(methods.imageStatus, { image: { image } })).image
      return found && imageFrom(found)
    },
    async listImages() {
      return (await call(methods.listImages, {})).images.map(imageFrom)
    },
    async pullImage(image, auth) {
      // A pull takes as long as it takes: containerd itself gives up when no byte comes any more.
      return ask(methods.pullImage, { image: { image }, auth }, undefined)
    },
    removeImage: (image) => callUnlessGone(methods.removeImage, { image: { image } }),
    async imageFsInfo() {
      const [disk] = (await call(methods.imageFsInfo, {})).imageFilesystems
      return { mountpoint: disk?.fsId?.mountpoint ?? '', usedBytes: disk?.usedBytes?.value ?? 0, inodesUsed: disk?.inodesUsed?.value ?? 0 }
    },

    events: (signal) => runtimeEvents({ channel, runtime: connection, clock: options.clock, log: options.log, signal }),
  }

  /** CRI's container status doesn't name the sandbox; its list does. A container never changes its sandbox. */
  const sandboxIds = new Map<string, string>()
  async function sandboxIdOf(containerId: string): Promise<string> {
    const known = sandboxIds.get(containerId)
    if (known !== undefined) return known
    const [found] = (await call(methods.listContainers, { filter: { id: containerId } })).containers
    if (found) sandboxIds.set(containerId, found.podSandboxId)
    return found?.podSandboxId ?? ''
  }

  return connection
}
