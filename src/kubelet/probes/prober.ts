import type { Container, Probe } from '../../api/generated/types.ts'
import type { ContainerRuntime } from '../../cri/runtime.ts'
import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import type { Random } from '../../host/random.ts'
import { check } from './check.ts'
import { count, freshTally } from './probe-loop.ts'

export type ProbeKind = 'startup' | 'readiness' | 'liveness'

export interface ProberDeps {
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** A verdict is new. */
  readonly onVerdict: (kind: ProbeKind, containerId: string, verdict: 'success' | 'failure', output: string) => void
  /** A try failed or could not be made: told as event Unhealthy. */
  readonly onUnhealthy: (kind: ProbeKind, container: Container, output: string, result: 'failure' | 'error') => void
}

/** Runs the probes of one pod's running containers, each on its own timer. */
export class Prober {
  readonly #deps: ProberDeps
  readonly #loops = new Map<string, AbortController>()

  constructor(deps: ProberDeps) {
    this.#deps = deps
  }

  /** Begins a running container's probes that may run now; those already running go on. `sinceMs`: when it was started. */
  ensure(container: Container, running: { id: string; startedAt: number; podIp: string; started: boolean }): void {
    if (container.startupProbe && !running.started) {
      this.#begin('startup', container.startupProbe, container, running)
      return
    }
    this.#end(`startup ${running.id}`)
    if (container.readinessProbe) this.#begin('readiness', container.readinessProbe, container, running)
    if (container.livenessProbe) this.#begin('liveness', container.livenessProbe, container, running)
  }

  /** Ends the probes of all containers but these. */
  keepOnly(containerIds: ReadonlySet<string>): void {
    for (const key of this.#loops.keys()) if (!containerIds.has(key.slice(key.indexOf(' ') + 1))) this.#end(key)
  }

  /** Only readiness goes on while a pod ends. */
  endLiveness(): void {
    for (const key of this.#loops.keys()) if (!key.startsWith('readiness')) this.#end(key)
  }

  close(): void {
    this.keepOnly(new Set())
  }

  #end(key: string): void {
    this.#loops.get(key)?.abort()
    this.#loops.delete(key)
  }

  #begin(kind: ProbeKind, probe: Probe, container: Container, running: { id: string; startedAt: number; podIp: string }): void {
    const key = `${kind} ${running.id}`
    if (this.#loops.has(key)) return
    const stop = new AbortController()
    this.#loops.set(key, stop)
    this.#loop(kind, probe, container, running, stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) this.#deps.log.error('probe ended', { kind, container: container.name, error })
    })
  }

  async #loop(
    kind: ProbeKind,
    probe: Probe,
    container: Container,
    running: { id: string; startedAt: number; podIp: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, onVerdict, onUnhealthy } = this.#deps
    const periodMs = (probe.periodSeconds ?? 10) * 1000
    const firstAt = running.startedAt + (probe.initialDelaySeconds ?? 0) * 1000
    if (firstAt > clock.now()) await clock.sleep(firstAt - clock.now(), signal)
    let tally = freshTally
    let told: 'success' | 'failure' | undefined
    while (!signal.aborted) {
      const { result, output } = await check(probe, { container, containerId: running.id, podIp: running.podIp }, this.#deps)
      if (signal.aborted) return
      if (result !== 'success') onUnhealthy(kind, container, output, result)
      if (result !== 'error') {
        const counted = count(tally, result, probe)
        tally = counted.tally
        if (counted.verdict && counted.verdict !== told) {
          told = counted.verdict
          onVerdict(kind, running.id, told, output)
        }
        // A container that must restart is probed no more: its successor starts afresh.
        if (kind !== 'readiness' && told === 'failure') return
        if (kind === 'startup' && told === 'success') return
      }
      await clock.sleep(periodMs, signal)
    }
  }
}
