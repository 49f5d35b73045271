import type { ContainerRuntime, ContainerStatus, SandboxStatus, SandboxSummary } from '../cri/runtime.ts'
import { RuntimeError } from '../cri/runtime.ts'

/** What the runtime has of one pod: all that a kubelet needs to go on after a restart. */
export interface ObservedPod {
  /** Newest first. */
  readonly sandboxes: readonly SandboxSummary[]
  /** Status of the newest sandbox while it is ready. */
  readonly sandbox: SandboxStatus | undefined
  /** Newest attempt first. */
  readonly containers: readonly ContainerStatus[]
}

export const nothingObserved: ObservedPod = { sandboxes: [], sandbox: undefined, containers: [] }

/** Attempts of one container, the newest first. */
export function attemptsOf(observed: ObservedPod, name: string): readonly ContainerStatus[] {
  return observed.containers.filter((container) => container.name === name)
}

/** The newest attempt of one container. */
export function latestOf(observed: ObservedPod, name: string): ContainerStatus | undefined {
  return observed.containers.find((container) => container.name === name)
}

/** Ids of the containers that run, by name. */
export function runningOf(observed: ObservedPod): Map<string, string> {
  return new Map(observed.containers.filter(({ state }) => state === 'running').map(({ name, id }) => [name, id]))
}

/** Reads pods from the runtime; what cannot change any more (ended containers, a sandbox's address) is asked for once. */
export class PodObserver {
  readonly #runtime: ContainerRuntime
  readonly #ended = new Map<string, ContainerStatus>()
  readonly #sandboxes = new Map<string, SandboxStatus>()
  readonly #podOf = new Map<string, string>()

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime
  }

  /** The pod that a container or sandbox belongs to, where it was seen before. */
  podOf(id: string): string | undefined {
    return this.#podOf.get(id)
  }

  /** Notes whose this is as soon as it is made, so that no event about it is missed before the first look. */
  claim(id: string, podUid: string): void {
    this.#podOf.set(id, podUid)
  }

  async observe(podUid: string): Promise<ObservedPod> {
    const [sandboxes, summaries] = await Promise.all([this.#runtime.listPodSandboxes({ podUid }), this.#runtime.listContainers({ podUid })])
    sandboxes.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt)
    summaries.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt)
    for (const { id } of [...sandboxes, ...summaries]) this.#podOf.set(id, podUid)
    const newest = sandboxes[0]
    const [sandbox, containers] = await Promise.all([
      newest?.ready ? this.#sandboxStatus(newest.id) : undefined,
      Promise.all(summaries.map(({ id }) => this.#containerStatus(id))),
    ])
    return { sandboxes, sandbox, containers: containers.filter((status) => status !== undefined) }
  }

  /** Forgets what is removed from the runtime. */
  forget(ids: Iterable<string>): void {
    for (const id of ids) {
      this.#ended.delete(id)
      this.#sandboxes.delete(id)
      this.#podOf.delete(id)
    }
  }

  async #containerStatus(id: string): Promise<ContainerStatus | undefined> {
    const known = this.#ended.get(id)
    if (known) return known
    try {
      const status = await this.#runtime.containerStatus(id)
      if (status.state === 'exited') this.#ended.set(id, status)
      return status
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'NotFound') return undefined // removed since it was listed
      throw error
    }
  }

  async #sandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    const known = this.#sandboxes.get(id)
    if (known) return known
    try {
      const status = await this.#runtime.podSandboxStatus(id)
      if (status.ready) this.#sandboxes.set(id, status)
      return status
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'NotFound') return undefined
      throw error
    }
  }
}
