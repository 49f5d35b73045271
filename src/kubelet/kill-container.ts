import type { Container, Pod } from '../api/generated/types.ts'
import type { ContainerStatus } from '../cri/runtime.ts'
import { errorText } from '../machinery/error-text.ts'
import { runHook } from './hooks.ts'
import type { PodDeps } from './pod-deps.ts'

/** The least a container gets between its stop signal and its kill, once its preStop hook has used up the rest. */
const leastGraceSeconds = 2

/** preStop hook, stop signal, and, when the grace period is over, the kill. Resolves once the container has ended. */
export async function killContainer(pod: Pod, status: ContainerStatus, graceSeconds: number, podIp: string, deps: PodDeps): Promise<void> {
  const container = specOf(pod, status.name)
  const hook = container?.lifecycle?.preStop
  const began = deps.clock.monotonic()
  if (container && hook) {
    const work = runHook(hook, { container, containerId: status.id, podIp }, graceSeconds * 1000, deps).catch((error: unknown) => {
      if (deps.signal.aborted) return
      deps.log.warn('preStop hook failed', { pod: pod.metadata.name, container: container.name, reason: errorText(error) })
      deps.events(pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', container.name)
    })
    const late = new AbortController()
    await Promise.race([work, deps.clock.sleep(graceSeconds * 1000, AbortSignal.any([late.signal, deps.signal])).catch(() => undefined)]) // rejects only when cancelled below
    late.abort()
    if (deps.signal.aborted) return // the next kubelet ends the pod
  }
  const spent = hook ? Math.ceil((deps.clock.monotonic() - began) / 1000) : 0
  const left = hook ? Math.max(graceSeconds - spent, Math.min(leastGraceSeconds, graceSeconds)) : graceSeconds
  await deps.runtime.stopContainer(status.id, left)
}

export function specOf(pod: Pod, name: string): Container | undefined {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers, ...(pod.spec.ephemeralContainers ?? [])].find(
    (container) => container.name === name,
  )
}
