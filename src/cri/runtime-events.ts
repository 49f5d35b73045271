import type { Clock } from '../host/clock.ts'
import { EventQueue } from '../host/event-queue.ts'
import type { Log } from '../host/log.ts'
import { type Decoded, decode, encode } from '../machinery/protobuf.ts'
import type { ContainerdChannel } from './containerd-channel.ts'
import { ContainerDelete, EventEnvelope, SubscribeRequest, TaskEvent, TaskExit } from './cri-messages.ts'
import { type ContainerRuntime, RuntimeError, type RuntimeEvent } from './runtime.ts'

interface EventDeps {
  channel: ContainerdChannel
  runtime: ContainerRuntime
  clock: Clock
  log: Log
  signal: AbortSignal
}

const path = '/containerd.services.events.v1.Events/Subscribe'
const topics = ['/tasks/start', '/tasks/exit', '/tasks/oom', '/containers/delete']
const filters = topics.map((topic) => `namespace==k8s.io,topic==${JSON.stringify(topic)}`)

/**
 * What happens to containers, from containerd's own event service: CRI's GetContainerEvents came later than 1.6.
 * `lost` comes with every new subscription, the first one too (what happened before it was not seen), and at once when one breaks:
 * whoever keeps containerd running learns of its death by that.
 */
export function runtimeEvents(deps: EventDeps): AsyncIterable<RuntimeEvent> {
  const stop = new AbortController()
  const signal = AbortSignal.any([deps.signal, stop.signal])
  const queue = new EventQueue<RuntimeEvent>(deps.signal, () => stop.abort())
  void subscribeForever({ ...deps, signal }, queue).catch((error: unknown) => {
    if (!signal.aborted) deps.log.error('the event stream of the container runtime ended', { error })
    queue.end()
  })
  return queue
}

async function subscribeForever(deps: EventDeps, queue: EventQueue<RuntimeEvent>): Promise<void> {
  const { channel, clock, log, signal } = deps
  let delayMs = 100
  let toldOfBreak = false
  while (!signal.aborted) {
    try {
      const stream = channel.stream(path, encode(SubscribeRequest, { filters }), { signal })
      const first = stream.next()
      // A stream that breaks at once rejects here and is reported by the loop below.
      first.catch(() => undefined)
      // containerd says nothing until the first event: a call after ours on the same connection tells that it is listening.
      await deps.runtime.version()
      queue.push({ type: 'lost', id: '' })
      delayMs = 100
      toldOfBreak = false
      for (let result = await first; !result.done; result = await stream.next()) {
        handle(deps, queue, decode(EventEnvelope, result.value))
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof RuntimeError)) throw error
      log.debug('the event stream of the container runtime broke', { error })
    }
    if (signal.aborted) return
    if (!toldOfBreak) queue.push({ type: 'lost', id: '' })
    toldOfBreak = true
    await clock.sleep(delayMs, signal)
    delayMs = Math.min(delayMs * 2, 5_000)
  }
}

function handle(deps: EventDeps, queue: EventQueue<RuntimeEvent>, { topic, event }: Decoded<typeof EventEnvelope>): void {
  const translated = eventOf(topic, event?.value ?? new Uint8Array(0))
  if (!translated) return
  if (translated.type !== 'container-exited') {
    queue.push(translated)
    return
  }
  void untilExitIsVisible(deps, translated.id).then(
    () => queue.push(translated),
    () => queue.push(translated), // can't be asked: the reader will ask again anyway
  )
}

/** Undefined for the exit of a process that was only executed in a container. */
export function eventOf(topic: string, value: Uint8Array): RuntimeEvent | undefined {
  switch (topic) {
    case '/tasks/start':
      return { type: 'container-started', id: decode(TaskEvent, value).containerId }
    case '/tasks/oom':
      return { type: 'oom', id: decode(TaskEvent, value).containerId }
    case '/tasks/exit': {
      const { containerId, id } = decode(TaskExit, value)
      return id === containerId ? { type: 'container-exited', id: containerId } : undefined
    }
    case '/containers/delete':
      return { type: 'container-removed', id: decode(ContainerDelete, value).id }
    default:
      return undefined
  }
}

/**
 * The event comes from the shim, a moment before CRI's own view has changed: whoever asked CRI at once would still see it running.
 * Waits until CRI knows, for about a second at most.
 */
async function untilExitIsVisible({ runtime, clock, signal }: EventDeps, id: string): Promise<void> {
  for (let delayMs = 2; delayMs <= 512; delayMs *= 2) {
    if (await hasExited(runtime, id)) return
    await clock.sleep(delayMs, signal)
  }
}

async function hasExited(runtime: ContainerRuntime, id: string): Promise<boolean> {
  try {
    return (await runtime.containerStatus(id)).state === 'exited'
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  try {
    return !(await runtime.podSandboxStatus(id)).ready
  } catch (error) {
    if (!isNotFound(error)) throw error
    return true
  }
}

const isNotFound = (error: unknown): boolean => error instanceof RuntimeError && error.code === 'NotFound'
