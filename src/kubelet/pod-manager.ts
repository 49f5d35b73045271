import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isTerminated } from '../api/core/pod-facts.ts'
import type { Node, Pod } from '../api/generated/types.ts'
import type { SandboxSummary } from '../cri/runtime.ts'
import { refusalOf, resizeRefusalOf } from './admit-pod.ts'
import type { PodDeps } from './pod-deps.ts'
import { PodWorker } from './pod-worker.ts'
import type { PullBackOffs } from './pull-image.ts'
import { podsWithFolders } from './volumes/pod-volumes.ts'

/** The workers of all pods that are on this node, or were and are not yet gone from it. */
export class PodManager {
  readonly #deps: PodDeps
  readonly #node: () => Node | undefined
  readonly #workers = new Map<string, PodWorker>()
  readonly #pullBackOffs: PullBackOffs = new Map()

  constructor(deps: PodDeps, node: () => Node | undefined) {
    this.#deps = deps
    this.#node = node
    deps.signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  added(pod: Pod): void {
    const known = this.#workers.get(pod.metadata.uid)
    if (known) {
      known.update(pod)
      return
    }
    const worker = this.#start(pod)
    const node = this.#node()
    const isNew = pod.status?.startTime === undefined && pod.metadata.deletionTimestamp === undefined
    const refusal = node && isNew ? refusalOf(pod, this.#active(pod), node) : undefined
    if (refusal) {
      this.#deps.events(pod, 'Warning', refusal.reason, refusal.message)
      worker.refuse(refusal.reason, refusal.message)
    } else worker.wake()
  }

  updated(pod: Pod, previous: Pod): void {
    if (pod.metadata.uid !== previous.metadata.uid) this.deleted(previous) // its deletion fell into a gap of the watch
    this.added(pod)
  }

  deleted(pod: Pod): void {
    this.#workers.get(pod.metadata.uid)?.remove(pod)
  }

  /** Ends and removes what the runtime or the disk holds of pods that the API doesn't know: call once the API's pods are told. */
  async removeOrphans(): Promise<void> {
    for (const sandbox of await this.#deps.runtime.listPodSandboxes()) {
      if (sandbox.podUid && !this.#workers.has(sandbox.podUid)) {
        const pod = podOf(sandbox)
        this.#start(pod).remove(pod)
      }
    }
    for (const uid of await podsWithFolders(this.#deps.rootDir)) {
      if (this.#workers.has(uid)) continue
      const pod = podOf({ podUid: uid, podName: 'unknown', podNamespace: 'unknown', labels: {} })
      this.#start(pod).remove(pod)
    }
    const { logDir } = this.#deps.sandbox
    for (const folder of await readdir(logDir)) {
      const uid = folder.slice(folder.lastIndexOf('_') + 1)
      if (!this.#workers.has(uid)) await rm(join(logDir, folder), { recursive: true, force: true })
    }
  }

  /** A container or sandbox has changed: its pod looks again. Ids that no pod of ours claims mean nothing. */
  touched(id: string): void {
    const uid = this.#deps.observer.podOf(id)
    if (uid !== undefined) this.#workers.get(uid)?.wake()
  }

  wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake()
  }

  /** By name, as requests ask; the living before those that are going. */
  find(namespace: string, name: string): PodWorker | undefined {
    const found = [...this.#workers.values()].filter(({ key }) => key === `${namespace}/${name}`)
    return found.find(({ pod }) => pod.metadata.deletionTimestamp === undefined) ?? found[0]
  }

  list(): readonly PodWorker[] {
    return [...this.#workers.values()]
  }

  #wakeThoseWithoutRoom(): void {
    for (const worker of this.#workers.values()) if (worker.awaitsRoom) worker.wake()
  }

  #close(): void {
    for (const worker of this.#workers.values()) worker.close()
  }

  #start(pod: Pod): PodWorker {
    const { uid } = pod.metadata
    const worker = new PodWorker(pod, this.#deps, this.#pullBackOffs, {
      resizeRefusal: (wanted) => {
        const node = this.#node()
        return node && resizeRefusalOf(wanted, this.#active(wanted), node)
      },
      roomChanged: () => this.#wakeThoseWithoutRoom(),
      removed: () => {
        this.#workers.delete(uid)
        this.#wakeThoseWithoutRoom()
      },
    })
    this.#workers.set(uid, worker)
    return worker
  }

  #active(except: Pod): Pod[] {
    return [...this.#workers.values()]
      .map(({ allotted }) => allotted)
      .filter(({ metadata, status }) => metadata.uid !== except.metadata.uid && !isTerminated({ status }))
  }
}

/** Enough of a pod to end it by: all that is left of one that the API has forgotten. */
function podOf({ podUid, podName, podNamespace, labels }: Pick<SandboxSummary, 'podUid' | 'podName' | 'podNamespace' | 'labels'>): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName, namespace: podNamespace, uid: podUid, resourceVersion: '0', creationTimestamp: '', labels },
    spec: { containers: [] },
  }
}
