import type { Container, Pod } from '../api/generated/types.ts'
import type { ContainerStatus } from '../cri/runtime.ts'
import { specOf } from './kill-container.ts'
import type { ObservedPod } from './observed-pod.ts'
import type { PodMemory } from './plan-pod.ts'
import type { PodDeps } from './pod-deps.ts'
import { type ProbeKind, Prober } from './probes/prober.ts'

const titles: Readonly<Record<ProbeKind, string>> = { startup: 'Startup', readiness: 'Readiness', liveness: 'Liveness' }

/** The probes of one pod and what they have found: which containers have started, are ready, must restart. */
export class PodProbes {
  readonly #deps: PodDeps
  readonly #memory: PodMemory
  readonly #prober: Prober
  readonly #ready = new Map<string, boolean>()
  readonly #names = new Map<string, string>()

  constructor(deps: PodDeps, memory: PodMemory, pod: () => Pod, onChange: () => void) {
    this.#deps = deps
    this.#memory = memory
    this.#prober = new Prober({
      ...deps,
      onVerdict: (kind, containerId, verdict) => {
        this.#judge(kind, containerId, verdict)
        onChange()
      },
      onUnhealthy: (kind, container, output, result) => {
        const what = result === 'error' ? 'probe errored and resulted in unknown state' : 'probe failed'
        deps.events(pod(), 'Warning', 'Unhealthy', `${titles[kind]} ${what}: ${output}`, container.name)
      },
    })
  }

  /** Brings the probes in line with the containers that run. */
  update(pod: Pod, observed: ObservedPod, ending: boolean): void {
    const running = observed.containers.filter(({ state }) => state === 'running')
    const podIp = pod.spec.hostNetwork ? this.#deps.nodeAddress : (observed.sandbox?.ip ?? '')
    for (const status of running) {
      const container = specOf(pod, status.name)
      if (!container) continue
      this.#adopt(pod, container, status)
      if (ending) continue
      this.#prober.ensure(container, { ...status, podIp, started: this.#memory.started.has(status.id) })
    }
    if (ending) this.#prober.endLiveness()
    this.#prober.keepOnly(new Set(running.map(({ id }) => id)))
  }

  isReady(containerId: string): boolean {
    return this.#ready.get(containerId) ?? false
  }

  close(): void {
    this.#prober.close()
  }

  /** A container seen for the first time: what a kubelet before us found out about it still holds. */
  #adopt(pod: Pod, container: Container, { id }: ContainerStatus): void {
    if (this.#ready.has(id)) return
    this.#names.set(id, container.name)
    const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
      ({ containerID }) => containerID === `containerd://${id}`,
    )
    if (!container.startupProbe || known?.started) this.#memory.started.add(id)
    this.#ready.set(id, container.readinessProbe ? (known?.ready ?? false) : true)
  }

  #judge(kind: ProbeKind, containerId: string, verdict: 'success' | 'failure'): void {
    if (kind === 'readiness') this.#ready.set(containerId, verdict === 'success')
    else if (verdict === 'failure') {
      this.#memory.condemned.set(containerId, `Container ${this.#names.get(containerId)} failed ${kind} probe, will be restarted`)
    } else if (kind === 'startup') this.#memory.started.add(containerId)
  }
}
