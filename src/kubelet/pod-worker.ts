import { isDeepStrictEqual } from 'node:util'
import type { Pod, PodStatus } from '../api/generated/types.ts'
import { errorText } from '../machinery/error-text.ts'
import type { ReferencedObjects } from './env/environment.ts'
import { namespaceOf, podDescription } from './labels.ts'
import { nothingObserved, type ObservedPod, runningOf } from './observed-pod.ts'
import { isEnding, newMemory, type PodMemory, type PodPlan, planPod, type Step } from './plan-pod.ts'
import type { PodDeps } from './pod-deps.ts'
import { PodProbes } from './pod-probes.ts'
import { podStatusOf } from './pod-status.ts'
import { building, carryOut, keyOf, razing } from './pod-steps.ts'
import type { PullBackOffs } from './pull-image.ts'
import { allottedPod, grant, isResizing, type ResizeRefusal, resizeText, wantsOther } from './resizing.ts'
import { StatusWriter, sameStatus } from './status-writer.ts'
import { readTerminationMessage } from './termination-message.ts'

/** How long after an unexpected failure (the runtime is away, the API is) all is looked at again. */
const retryMs = 1000

/** What a worker asks of the node that all share. */
export interface SharedNode {
  /** Why the pod, as it wants to be, has no room beside the others. */
  resizeRefusal(pod: Pod): ResizeRefusal | undefined
  /** Others may find room now. */
  roomChanged(): void
  /** Nothing of the pod is left. */
  removed(): void
}

/**
 * Looks after one pod (by uid) from the first sight to the last trace: observes, plans, starts the plan's steps, writes the status,
 * and sleeps until something wakes it. Steps run side by side; each one's end wakes the worker.
 */
export class PodWorker {
  readonly #deps: PodDeps
  readonly #pullBackOffs: PullBackOffs
  readonly #node: SharedNode
  readonly #memory: PodMemory
  readonly #active = new Set<string>()
  readonly #killing = new Set<string>()
  readonly #lastWords = new Map<string, string>()
  readonly #told = new Set<string>()
  readonly #objects: ReferencedObjects
  readonly #probes: PodProbes
  readonly #writer: StatusWriter
  #pod: Pod
  /** A resize has been begun that is not told to be over. */
  #resizing = false
  #gone = false
  #observed: ObservedPod = nothingObserved
  #waiting: PodPlan['waiting'] = new Map()
  #dirty = false
  #completed = 0
  #looping = false
  #cancelTimer: () => void = () => {}

  constructor(pod: Pod, deps: PodDeps, pullBackOffs: PullBackOffs, node: SharedNode) {
    this.#pod = pod
    this.#memory = newMemory(pod)
    this.#deps = deps
    this.#pullBackOffs = pullBackOffs
    this.#node = node
    this.#objects = deps.objects.heldBy(pod.metadata.uid, () => this.#referenceChanged())
    this.#probes = new PodProbes(
      deps,
      this.#memory,
      () => this.#pod,
      () => this.wake(),
    )
    this.#writer = new StatusWriter(deps.client, (written) => this.#see(written))
  }

  get pod(): Pod {
    return this.#pod
  }
  /** The pod as far as its resources are granted. */
  get allotted(): Pod {
    return allottedPod(this.#pod, this.#memory.allotment)
  }
  get awaitsRoom(): boolean {
    return this.#memory.allotment.pending?.reason === 'Deferred'
  }
  get observed(): ObservedPod {
    return this.#observed
  }

  update(pod: Pod): void {
    this.#see(pod)
    this.wake()
  }

  /** The API knows the pod no more: end it and remove its traces. */
  remove(lastKnown: Pod): void {
    this.#see(lastKnown)
    this.#gone = true
    this.wake()
  }

  /** The node will not run this pod. */
  refuse(reason: string, message: string): void {
    this.#memory.failure = { reason, message }
    this.wake()
  }

  wake(): void {
    this.#dirty = true
    if (this.#looping || this.#deps.signal.aborted) return
    this.#looping = true
    void this.#loop()
  }

  /** The newer of what the informer tells and what our own writes answered. */
  #see(pod: Pod): void {
    if (pod.metadata.uid !== this.#pod.metadata.uid) return
    if (Number(pod.metadata.resourceVersion) < Number(this.#pod.metadata.resourceVersion)) return
    const { labels, annotations } = this.#pod.metadata
    this.#pod = pod
    if (isDeepStrictEqual([labels, annotations], [pod.metadata.labels, pod.metadata.annotations])) return
    // What a container is made of may name them: its variables, its parts of volumes.
    this.#memory.startFailures.clear()
    // Downward files show labels and annotations as they are now.
    if ((pod.spec.volumes ?? []).some(({ downwardAPI, projected }) => downwardAPI ?? projected)) this.#volumesChanged()
  }

  #referenceChanged(): void {
    this.#volumesChanged()
    this.#memory.volumeFailure = undefined
    this.#memory.startFailures.clear()
    this.wake()
  }

  #volumesChanged(): void {
    this.#memory.volumeChanges++
    this.#memory.volumesReady = false
  }

  async #loop(): Promise<void> {
    const { clock, log, signal } = this.#deps
    while (this.#dirty && !signal.aborted && !this.#memory.removed) {
      this.#dirty = false
      try {
        await this.#sync()
      } catch (error) {
        if (signal.aborted) break
        log.warn('pod sync failed', { pod: podDescription(this.#pod), error })
        this.#cancelTimer()
        this.#cancelTimer = clock.after(retryMs, () => this.wake())
      }
    }
    this.#looping = false
    if (this.#memory.removed) {
      this.close()
      this.#deps.objects.release(this.#pod.metadata.uid)
      this.#node.removed()
    }
  }

  async #sync(): Promise<void> {
    const { clock, observer } = this.#deps
    this.#cancelTimer()
    const completed = this.#completed
    this.#observed = await observer.observe(this.#pod.metadata.uid)
    // A step that ended meanwhile may have made what this look has missed: never plan on that, or it would be made twice.
    if (completed !== this.#completed) return
    await this.#readLastWords()
    this.#allot()
    const situation = () => ({ pod: this.allotted, gone: this.#gone, observed: this.#observed, memory: this.#memory, now: clock.now() })
    this.#probes.update(this.#pod, this.#observed, isEnding(situation()))
    const plan = planPod(situation())
    this.#waiting = plan.waiting
    this.#tellCrashLoops()
    for (const step of plan.steps) this.#begin(step)
    if (plan.lookAgainAt !== undefined) this.#cancelTimer = clock.after(Math.max(plan.lookAgainAt - clock.now(), 0), () => this.wake())
    if (!this.#gone && !this.#memory.finished) this.#showStatus()
  }

  /** Grants the pod what it wants, if the node has room for that, and tells how a resize goes. */
  #allot(): void {
    const { allotment } = this.#memory
    const pod = this.#pod
    if (isEnding({ pod, gone: this.#gone, memory: this.#memory, observed: this.#observed })) return
    if (wantsOther(pod, allotment)) {
      const before = allotment.pending
      allotment.pending = this.#node.resizeRefusal(pod)
      const { pending } = allotment
      if (!pending) {
        grant(pod, allotment)
        this.#resizing = true
        this.#deps.events(pod, 'Normal', 'ResizeStarted', resizeText('started', pod))
        this.#node.roomChanged()
      } else if (before?.reason !== pending.reason || before.message !== pending.message) {
        this.#deps.events(pod, 'Warning', `Resize${pending.reason}`, resizeText(pending.reason.toLowerCase(), pod, pending.message))
      }
    } else allotment.pending = undefined
    if (!this.#resizing || isResizing(this.allotted, runningOf(this.#observed), allotment)) return
    if (allotment.restarting.size > 0) return
    this.#resizing = false
    this.#deps.events(pod, 'Normal', 'ResizeCompleted', resizeText('completed', pod))
  }

  #begin(step: Step): void {
    const key = keyOf(step)
    if (this.#active.has(key)) return
    if (razing.has(step.do) && [...this.#active].some((other) => building.has(other))) return
    this.#active.add(key)
    const context = {
      ...{ pod: this.allotted, observed: this.#observed, memory: this.#memory, deps: this.#deps, objects: this.#objects },
      ...{ pullBackOffs: this.#pullBackOffs, killing: this.#killing, flushStatus: () => this.#writer.write(this.#pod, this.#status()) },
    }
    carryOut(step, context).then(
      () => {
        this.#active.delete(key)
        this.#completed++
        this.wake()
      },
      (error: unknown) => {
        if (this.#deps.signal.aborted) return
        this.#deps.log.warn('step failed', { pod: podDescription(this.#pod), step: step.do, reason: errorText(error) })
        // The key stays taken meanwhile, so that a failing step isn't begun again at once.
        this.#deps.clock.after(retryMs, () => {
          this.#active.delete(key)
          this.#completed++
          this.wake()
        })
      },
    )
  }

  #status(): PodStatus {
    const { clock, nodeAddress, secondNodeAddress } = this.#deps
    const { failure, started, allotment } = this.#memory
    return podStatusOf({
      ...{ pod: this.allotted, observed: this.#observed, waiting: this.#waiting, now: clock.now() },
      ...{ nodeAddress, secondNodeAddress, failure, allotment },
      ending: isEnding({ pod: this.#pod, gone: this.#gone, memory: this.#memory, observed: this.#observed }),
      isStarted: (id) => started.has(id),
      isReady: (id) => this.#probes.isReady(id),
      terminationMessage: (id) => this.#lastWords.get(id) ?? '',
    })
  }

  #showStatus(): void {
    const status = this.#status()
    if (sameStatus(this.#pod.status, status)) return
    this.#writer.write(this.#pod, status).catch((error: unknown) => {
      if (this.#deps.signal.aborted) return
      this.#deps.log.warn('status not written', { pod: podDescription(this.#pod), reason: errorText(error) })
      this.#deps.clock.after(retryMs, () => this.wake())
    })
  }

  async #readLastWords(): Promise<void> {
    for (const container of this.#observed.containers) {
      if (container.state !== 'exited' || this.#lastWords.has(container.id)) continue
      this.#lastWords.set(container.id, await readTerminationMessage(container))
    }
  }

  /** Once for each attempt that is held back. */
  #tellCrashLoops(): void {
    for (const [name, { reason }] of this.#waiting) {
      const attempt = this.#observed.containers.find((container) => container.name === name)
      if (reason !== 'CrashLoopBackOff' || !attempt || this.#told.has(attempt.id)) continue
      this.#told.add(attempt.id)
      const message = `Back-off restarting failed container ${name} in pod ${podDescription(this.#pod)}`
      this.#deps.events(this.#pod, 'Warning', 'BackOff', message, name)
    }
  }

  /** Ends timers and probes; the pod itself goes on. */
  close(): void {
    this.#cancelTimer()
    this.#probes.close()
  }

  /** `ns/name`, for finding a pod by the name that requests use. */
  get key(): string {
    return `${namespaceOf(this.#pod)}/${this.#pod.metadata.name}`
  }
}
