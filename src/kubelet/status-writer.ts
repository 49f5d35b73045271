import { isDeepStrictEqual } from 'node:util'
import type { Pod, PodCondition, PodStatus } from '../api/generated/types.ts'
import { pods } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import { namespaceOf } from './labels.ts'

const ours = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'PodResizePending',
  'PodResizeInProgress',
])

/** True when writing `status` would change nothing that the API shows. */
export function sameStatus(shown: PodStatus | undefined, status: PodStatus): boolean {
  return isDeepStrictEqual(plain({ ...shown, ...status }), plain(shown ?? {})) && shown?.message === status.message
}

/** As JSON has it: fields that are undefined or empty don't count. */
function plain(status: PodStatus): unknown {
  return JSON.parse(JSON.stringify(status), (_, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0 ? undefined : value,
  )
}

/** Keeps what others (the scheduler, readiness gates) have written. */
function withForeign(status: PodStatus, shown: PodStatus | undefined): PodStatus {
  const foreign = (shown?.conditions ?? []).filter(
    ({ type }) => !ours.has(type) || (type === 'PodScheduled' && !isOurs(status.conditions, type)),
  )
  const own = (status.conditions ?? []).filter(({ type }) => !foreign.some((condition) => condition.type === type))
  return { ...shown, message: undefined, reason: undefined, ...status, conditions: [...own, ...foreign] } as PodStatus
}

function isOurs(conditions: readonly PodCondition[] | undefined, type: string): boolean {
  return conditions?.some((condition) => condition.type === type) ?? false
}

/** Writes a pod's status in order, the newest only; answers through `onWritten` what the API has then. */
export class StatusWriter {
  readonly #client: Client
  readonly #onWritten: (pod: Pod) => void
  #wanted: { pod: Pod; status: PodStatus } | undefined
  #running: Promise<void> | undefined

  constructor(client: Client, onWritten: (pod: Pod) => void) {
    this.#client = client
    this.#onWritten = onWritten
  }

  /** Resolves once this status, or a newer one, is written; rejects where the API cannot be reached. */
  write(pod: Pod, status: PodStatus): Promise<void> {
    this.#wanted = { pod, status }
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(): Promise<void> {
    while (this.#wanted) {
      const { pod, status } = this.#wanted
      this.#wanted = undefined
      await this.#put(pod, status)
    }
  }

  async #put(pod: Pod, status: PodStatus): Promise<void> {
    const api = this.#client.resource<Pod>(pods, namespaceOf(pod))
    let base = pod
    for (let tries = 0; tries < 5; tries++) {
      try {
        this.#onWritten(await api.updateStatus({ ...base, status: withForeign(status, base.status) }))
        return
      } catch (error) {
        if (isNotFound(error)) return // deleted meanwhile: the informer tells
        if (!isConflict(error)) throw error
      }
      try {
        base = await api.get(pod.metadata.name)
      } catch (error) {
        if (isNotFound(error)) return
        throw error
      }
      if (base.metadata.uid !== pod.metadata.uid) return // another pod of the same name
    }
    throw new Error(`status of pod ${pod.metadata.name}: conflicts with other writers again and again`)
  }
}
