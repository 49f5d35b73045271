import type { Container, Pod } from '../api/generated/types.ts'
import { errorText } from '../machinery/error-text.ts'
import { podDescription } from './labels.ts'
import type { PodMemory, Step } from './plan-pod.ts'
import type { PodDeps } from './pod-deps.ts'
import { resizeText } from './resizing.ts'
import { linuxResources } from './resources.ts'

const retryMs = 10_000

/** Gives a running container what it is granted. What goes wrong goes into the memory and the events, and is tried again. */
export async function resizeContainer(
  step: Extract<Step, { do: 'resize' }>,
  { pod, memory, deps }: { pod: Pod; memory: PodMemory; deps: PodDeps },
): Promise<void> {
  const { container, containerId } = step
  const { allotment } = memory
  const resources = linuxResources(pod, container, deps.memoryBytes)
  try {
    await refuseBelowUse(container, containerId, resources.memoryLimitBytes)
    await deps.runtime.updateContainerResources(containerId, resources)
    allotment.given.set(containerId, container.resources ?? {})
    allotment.failure = undefined
    deps.log.info('container resized', { pod: podDescription(pod), container: container.name })
  } catch (error) {
    const message = errorText(error)
    if (allotment.failure?.message !== message) deps.events(pod, 'Warning', 'ResizeError', resizeText('error', pod, message))
    allotment.failure = { message, retryAt: deps.clock.now() + retryMs }
  }

  /** Less than the container uses would have the kernel kill it, or refuse. */
  async function refuseBelowUse({ name }: Container, id: string, limitBytes: number): Promise<void> {
    if (limitBytes === 0) return
    const { memoryWorkingSetBytes } = await deps.runtime.containerStats(id)
    if (memoryWorkingSetBytes <= limitBytes) return
    throw new Error(`attempting to set memory limit of container ${name} (${limitBytes}) below current usage (${memoryWorkingSetBytes})`)
  }
}
