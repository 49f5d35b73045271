import { appendFileSync, existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { Clock } from '../host/clock.ts'
import { EventQueue } from '../host/event-queue.ts'
import { type FakeProgram, fakeProgram } from './fake-command.ts'
import { type FakeImage, FakeImages } from './fake-images.ts'
import {
  type ContainerConfig,
  type ContainerRuntime,
  type ContainerStats,
  type ContainerStatus,
  type ContainerSummary,
  type Image,
  type LinuxResources,
  RuntimeError,
  type RuntimeEvent,
  type SandboxConfig,
  type SandboxStatus,
  type SandboxSummary,
} from './runtime.ts'

export type { FakeImage } from './fake-images.ts'

interface FakeSandbox {
  config: SandboxConfig
  status: SandboxStatus
}

interface FakeContainer {
  config: ContainerConfig
  sandbox: FakeSandbox
  status: ContainerStatus
  resources: LinuxResources
  /** Set while it runs. */
  program: FakeProgram | undefined
  cancelEnd: () => void
  /** Called once when it exits. */
  onExit: (() => void)[]
}

export interface FakeExecResult {
  exitCode: number
  stdout?: string
  stderr?: string
  /** How long the command takes on the clock; default 0. */
  takesMs?: number
}

/**
 * A container runtime in memory, with real semantics: sandboxes and containers have states and exit codes, processes run on the
 * clock until they end or are stopped, images must be there, what is gone is NotFound. Programs are those of {@link fakeProgram}.
 * The members after the contract's are the test's hands: they play what a real machine would do by itself.
 */
export class FakeRuntime implements ContainerRuntime {
  readonly #clock: Clock
  readonly #sandboxes = new Map<string, FakeSandbox>()
  readonly #containers = new Map<string, FakeContainer>()
  readonly #images = new FakeImages()
  readonly #subscribers = new Set<EventQueue<RuntimeEvent>>()
  readonly #faults: { method: keyof ContainerRuntime; error: Error }[] = []
  #serial = 0

  /** One line a call that changes something, such as `stopContainer web-1 30`; ids are `<container's name>-<serial>`. */
  readonly history: string[] = []
  /** What commands do in running containers (execSync); default: {@link fakeProgram}. */
  onExec: ((containerId: string, command: readonly string[]) => FakeExecResult | undefined) | undefined
  networkReady = true

  constructor(options: { clock: Clock; images?: readonly (string | FakeImage)[] }) {
    this.#clock = options.clock
    for (const image of options.images ?? []) this.addImage(image)
  }

  // ---- the test's hands

  /** Puts an image on the node. */
  addImage(image: string | FakeImage): void {
    this.#images.add(image)
  }

  /** Makes an image pullable. */
  publishImage(image: string | FakeImage): void {
    this.#images.publish(image)
  }

  /** The container's process ends by itself. */
  exit(containerId: string, exitCode: number, reason?: string): void {
    const container = this.#container(containerId)
    if (container.status.state !== 'running') throw new Error(`${containerId} does not run`)
    this.#end(container, exitCode, reason)
  }

  /** The kernel kills the container for its memory. */
  killForMemory(containerId: string): void {
    this.#emit('oom', containerId)
    this.exit(containerId, 137, 'OOMKilled')
  }

  /** The sandbox's pause process ends: the sandbox is not ready any more, its containers run on. */
  killSandbox(sandboxId: string): void {
    this.#sandbox(sandboxId).status.ready = false
    this.#emit('container-exited', sandboxId)
  }

  /** The next call of this method throws. */
  failNext(method: keyof ContainerRuntime, error: Error): void {
    this.#faults.push({ method, error })
  }

  /** The event stream breaks and comes back: subscribers read `lost`. */
  loseEvents(): void {
    this.#emit('lost', '')
  }

  /** Appends to the container's log file in CRI's format; without the pod's log folder nothing is written. */
  writeLog(containerId: string, stream: 'stdout' | 'stderr', text: string): void {
    const { logPath } = this.#container(containerId).status
    if (logPath === '' || !existsSync(dirname(logPath))) return
    const time = new Date(this.#clock.now()).toISOString().replace('Z', '000000Z')
    for (const line of text.replace(/\n$/, '').split('\n')) appendFileSync(logPath, `${time} ${stream} F ${line}\n`)
  }

  /** The configuration a container was created with. */
  configOf(containerId: string): ContainerConfig {
    return this.#container(containerId).config
  }
  /** The resources in force, after updates. */
  resourcesOf(containerId: string): LinuxResources {
    return this.#container(containerId).resources
  }
  sandboxConfigOf(sandboxId: string): SandboxConfig {
    return this.#sandbox(sandboxId).config
  }

  // ---- the contract

  async version(): Promise<{ runtimeName: string; runtimeVersion: string; apiVersion: string }> {
    this.#enter('version')
    return { runtimeName: 'fake', runtimeVersion: '1.0.0', apiVersion: 'v1' }
  }

  async status(): Promise<{ runtimeReady: boolean; networkReady: boolean; reason: string }> {
    this.#enter('status')
    return { runtimeReady: true, networkReady: this.networkReady, reason: this.networkReady ? '' : 'NetworkPluginNotReady' }
  }

  async runPodSandbox(config: SandboxConfig, handler = ''): Promise<string> {
    this.#enter('runPodSandbox', `${config.podNamespace}/${config.podName}`)
    if (handler !== '' && handler !== 'runc')
      throw new RuntimeError('Unknown', `failed to get sandbox runtime: no runtime for ${JSON.stringify(handler)} is configured`)
    for (const { config: other } of this.#sandboxes.values()) {
      if (other.podUid === config.podUid && other.attempt === config.attempt)
        throw new RuntimeError('Unknown', `failed to reserve sandbox name: the pod ${config.podName} has attempt ${config.attempt} already`)
    }
    const serial = ++this.#serial
    const id = `${config.podName}-sandbox-${serial}`
    const { podName, podNamespace, podUid, attempt, labels, annotations } = config
    const ip = config.hostNetwork ? '' : `10.244.${serial >> 8}.${serial & 255}`
    const status: SandboxStatus = {
      ...{ id, podName, podNamespace, podUid, attempt, ready: true, createdAt: this.#clock.now() },
      ...{ labels: { ...labels }, annotations: { ...annotations }, ip, additionalIps: [] },
    }
    this.#sandboxes.set(id, { config: structuredClone(config), status })
    this.#emit('container-started', id)
    return id
  }

  async stopPodSandbox(sandboxId: string): Promise<void> {
    this.#enter('stopPodSandbox', sandboxId)
    const sandbox = this.#sandboxes.get(sandboxId)
    if (!sandbox) return
    for (const container of this.#containersOf(sandboxId)) this.#end(container, 137)
    if (!sandbox.status.ready) return
    sandbox.status.ready = false
    this.#emit('container-exited', sandboxId)
  }

  async removePodSandbox(sandboxId: string): Promise<void> {
    await this.stopPodSandbox(sandboxId)
    this.#enter('removePodSandbox', sandboxId)
    for (const { status } of this.#containersOf(sandboxId)) await this.removeContainer(status.id)
    if (this.#sandboxes.delete(sandboxId)) this.#emit('container-removed', sandboxId)
  }

  async podSandboxStatus(sandboxId: string): Promise<SandboxStatus> {
    this.#enter('podSandboxStatus')
    return structuredClone(this.#sandbox(sandboxId).status)
  }

  async listPodSandboxes(filter: { podUid?: string } = {}): Promise<SandboxSummary[]> {
    this.#enter('listPodSandboxes')
    const statuses = [...this.#sandboxes.values()].map(({ status: { ip: _, additionalIps: __, ...summary } }) => structuredClone(summary))
    return filter.podUid === undefined ? statuses : statuses.filter(({ podUid }) => podUid === filter.podUid)
  }

  async createContainer(sandboxId: string, config: ContainerConfig, _sandbox: SandboxConfig): Promise<string> {
    this.#enter('createContainer', config.name)
    const sandbox = this.#sandbox(sandboxId)
    const image = this.#images.find(config.image)?.image
    if (!image) throw new RuntimeError('NotFound', `failed to resolve image ${JSON.stringify(config.image)}: not found`)
    const id = `${config.name}-${++this.#serial}`
    const { name, attempt, labels, annotations } = config
    const { logDirectory } = sandbox.config
    const logPath = config.logPath === '' || isAbsolute(config.logPath) ? config.logPath : join(logDirectory, config.logPath)
    const status: ContainerStatus = {
      ...{
        id,
        sandboxId,
        name,
        attempt,
        state: 'created',
        image: image.tags[0] ?? config.image,
        imageRef: image.id,
        createdAt: this.#clock.now(),
      },
      ...{ labels: { ...labels }, annotations: { ...annotations }, startedAt: 0, finishedAt: 0, exitCode: 0, reason: '', message: '' },
      logPath,
    }
    const fresh = { program: undefined, cancelEnd: () => {}, onExit: [] }
    this.#containers.set(id, { config: structuredClone(config), sandbox, status, resources: { ...config.resources }, ...fresh })
    return id
  }

  async startContainer(containerId: string): Promise<void> {
    this.#enter('startContainer', containerId)
    const container = this.#container(containerId)
    const { config, status } = container
    if (status.state !== 'created')
      throw new RuntimeError('Unknown', `container ${containerId} is in CONTAINER_${status.state.toUpperCase()} state`)
    const entrypoint = config.command.length > 0 ? config.command : (this.#images.find(config.image)?.command ?? [])
    const program = fakeProgram([...entrypoint, ...config.args])
    status.startedAt = this.#clock.now()
    if (!program) {
      const message = `exec: ${JSON.stringify(entrypoint[0])}: executable file not found in $PATH: unknown`
      Object.assign(status, { state: 'exited', finishedAt: this.#clock.now(), exitCode: 128, reason: 'StartError', message })
      throw new RuntimeError('Unknown', `failed to create containerd task: ${message}`)
    }
    status.state = 'running'
    container.program = program
    this.#emit('container-started', containerId)
    for (const { stream, text } of program.output) this.writeLog(containerId, stream, text)
    if (program.endsAfterMs !== undefined) {
      container.cancelEnd = this.#clock.after(program.endsAfterMs, () => this.#end(container, program.exitCode))
    }
  }

  async stopContainer(containerId: string, timeoutSeconds: number): Promise<void> {
    this.#enter('stopContainer', `${containerId} ${timeoutSeconds}`)
    const container = this.#containers.get(containerId)
    if (container?.status.state !== 'running') return
    const onTerm = container.program?.onTerm
    if (timeoutSeconds > 0 && onTerm !== undefined) return this.#end(container, onTerm)
    if (timeoutSeconds > 0) await this.#exitWithin(container, timeoutSeconds * 1000)
    this.#end(container, 137)
  }

  async removeContainer(containerId: string): Promise<void> {
    this.#enter('removeContainer', containerId)
    const container = this.#containers.get(containerId)
    if (!container) return
    this.#end(container, 137)
    this.#containers.delete(containerId)
    this.#emit('container-removed', containerId)
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    this.#enter('containerStatus')
    return structuredClone(this.#container(containerId).status)
  }

  async listContainers(filter: { podUid?: string } = {}): Promise<ContainerSummary[]> {
    this.#enter('listContainers')
    return [...this.#containers.values()]
      .filter(({ sandbox }) => filter.podUid === undefined || sandbox.config.podUid === filter.podUid)
      .map(({ status: { id, sandboxId, name, attempt, state, image, imageRef, createdAt, labels, annotations } }) =>
        structuredClone({ id, sandboxId, name, attempt, state, image, imageRef, createdAt, labels, annotations }),
      )
  }

  async updateContainerResources(containerId: string, resources: LinuxResources): Promise<void> {
    this.#enter('updateContainerResources', containerId)
    this.#container(containerId).resources = { ...resources }
  }

  async containerStats(containerId: string): Promise<ContainerStats> {
    this.#enter('containerStats')
    const { status } = this.#container(containerId)
    const ranMs = status.startedAt === 0 ? 0 : (status.finishedAt || this.#clock.now()) - status.startedAt
    // A hundredth of a processor and 10 MiB: made up, but steady.
    const memoryWorkingSetBytes = status.state === 'running' ? 10 * 2 ** 20 : 0
    return { id: containerId, cpuNanoseconds: ranMs * 10_000, memoryWorkingSetBytes, timestamp: this.#clock.now() }
  }

  async reopenContainerLog(containerId: string): Promise<void> {
    this.#enter('reopenContainerLog', containerId)
    this.#mustRun(containerId)
  }

  async execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array }> {
    this.#enter('execSync', `${containerId} ${command.join(' ')}`)
    const container = this.#mustRun(containerId)
    const result = this.onExec?.(containerId, command) ?? execResult(command)
    const takesMs = result.takesMs ?? 0
    if (timeoutSeconds > 0 && takesMs > timeoutSeconds * 1000) {
      await this.#clock.sleep(timeoutSeconds * 1000)
      throw new RuntimeError(
        'DeadlineExceeded',
        `failed to exec in container: timeout ${timeoutSeconds}s exceeded: context deadline exceeded`,
      )
    }
    if (takesMs > 0 && (await this.#exitWithin(container, takesMs))) return { exitCode: 137, stdout: bytes(''), stderr: bytes('') }
    return { exitCode: result.exitCode, stdout: bytes(result.stdout ?? ''), stderr: bytes(result.stderr ?? '') }
  }

  async exec(request: { containerId: string; command: readonly string[] }): Promise<{ url: string }> {
    this.#enter('exec', `${request.containerId} ${request.command.join(' ')}`)
    this.#mustRun(request.containerId)
    return { url: `http://127.0.0.1:1/exec/${request.containerId}` }
  }

  async attach(request: { containerId: string }): Promise<{ url: string }> {
    this.#enter('attach', request.containerId)
    this.#mustRun(request.containerId)
    return { url: `http://127.0.0.1:1/attach/${request.containerId}` }
  }

  async portForward(request: { sandboxId: string; ports: readonly number[] }): Promise<{ url: string }> {
    this.#enter('portForward', `${request.sandboxId} ${request.ports.join(',')}`)
    if (!this.#sandbox(request.sandboxId).status.ready) throw new RuntimeError('Unknown', `sandbox ${request.sandboxId} is not running`)
    return { url: `http://127.0.0.1:1/portforward/${request.sandboxId}` }
  }

  async imageStatus(image: string): Promise<Image | undefined> {
    this.#enter('imageStatus')
    return structuredClone(this.#images.find(image)?.image)
  }

  async listImages(): Promise<Image[]> {
    this.#enter('listImages')
    return this.#images.list()
  }

  async pullImage(image: string): Promise<{ imageRef: string }> {
    this.#enter('pullImage', image)
    this.#images.pull(image)
    return { imageRef: this.#images.find(image)?.image.id ?? '' }
  }

  async removeImage(image: string): Promise<void> {
    this.#enter('removeImage', image)
    this.#images.remove(image)
  }

  async imageFsInfo(): Promise<{ mountpoint: string; usedBytes: number; inodesUsed: number }> {
    this.#enter('imageFsInfo')
    const images = this.#images.list()
    const usedBytes = images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return { mountpoint: '/var/lib/fake', usedBytes, inodesUsed: images.length * 100 }
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    const queue = new EventQueue<RuntimeEvent>(signal, () => this.#subscribers.delete(queue))
    if (!signal.aborted) this.#subscribers.add(queue)
    queue.push({ type: 'lost', id: '' }) // as with containerd: what happened before was not seen
    return queue
  }

  // ---- inside

  #enter(method: keyof ContainerRuntime, detail?: string): void {
    if (detail !== undefined) this.history.push(`${method} ${detail}`)
    const fault = this.#faults.findIndex((planned) => planned.method === method)
    if (fault < 0) return
    const [planned] = this.#faults.splice(fault, 1)
    throw planned?.error
  }

  #emit(type: RuntimeEvent['type'], id: string): void {
    for (const subscriber of this.#subscribers) subscriber.push({ type, id })
  }

  #sandbox(id: string): FakeSandbox {
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox) throw new RuntimeError('NotFound', `sandbox ${id}: not found`)
    return sandbox
  }

  #container(id: string): FakeContainer {
    const container = this.#containers.get(id)
    if (!container) throw new RuntimeError('NotFound', `container ${id}: not found`)
    return container
  }

  #mustRun(id: string): FakeContainer {
    const container = this.#container(id)
    if (container.status.state === 'running') return container
    throw new RuntimeError('Unknown', `container ${id} is in CONTAINER_${container.status.state.toUpperCase()} state`)
  }

  #containersOf(sandboxId: string): FakeContainer[] {
    return [...this.#containers.values()].filter(({ status }) => status.sandboxId === sandboxId)
  }

  /** Waits until the container exits or the time is up; true: it has exited. */
  async #exitWithin(container: FakeContainer, ms: number): Promise<boolean> {
    const stop = new AbortController()
    container.onExit.push(() => stop.abort())
    await this.#clock.sleep(ms, stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error
    })
    return stop.signal.aborted
  }

  #end(container: FakeContainer, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): void {
    if (container.status.state !== 'running') return
    container.cancelEnd()
    container.program = undefined
    Object.assign(container.status, { state: 'exited', finishedAt: this.#clock.now(), exitCode, reason })
    this.#emit('container-exited', container.status.id)
    for (const run of container.onExit.splice(0)) run()
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text)

function execResult(command: readonly string[]): FakeExecResult {
  const program = fakeProgram(command)
  if (!program) throw new RuntimeError('Unknown', `failed to exec in container: exec: "${command[0]}": executable file not found in $PATH`)
  const textOf = (stream: string): string =>
    program.output
      .filter((part) => part.stream === stream)
      .map(({ text }) => text)
      .join('')
  const takesMs = program.endsAfterMs ?? 2 ** 31 - 1
  return { exitCode: program.exitCode, stdout: textOf('stdout'), stderr: textOf('stderr'), takesMs }
}
