import { ageColumn, column, nameColumn, none, wideColumn } from '../columns.ts'
import { humanDuration } from '../duration.ts'
import type { ContainerState, ContainerStatus, Pod } from '../generated/types.ts'
import type { Column } from '../kind.ts'

/** What one row of `kubectl get pods` says of a pod's containers. */
export interface PodSummary {
  readonly ready: number
  readonly total: number
  /** The STATUS column: a phase, or the most telling reason among its containers. */
  readonly status: string
  readonly restarts: number
  /** When the newest of those restarts happened, if known. */
  readonly lastRestartMs: number | undefined
}

/** Counts restarts and remembers the newest of them. */
class RestartCount {
  count = 0
  lastMs: number | undefined
  add(status: ContainerStatus): void {
    this.count += status.restartCount
    const finishedAt = status.lastState?.terminated?.finishedAt
    if (finishedAt) this.lastMs = Math.max(this.lastMs ?? 0, Date.parse(finishedAt))
  }
}

const hasCondition = (pod: Pod, type: string, status: string): boolean =>
  pod.status?.conditions?.some((condition) => condition.type === type && condition.status === status) ?? false

/** The containers of spec.initContainers that keep running beside the main ones. */
function sidecarNames(pod: Pod): Set<string> {
  return new Set((pod.spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always').map((one) => one.name))
}

function exitText({ terminated }: ContainerState): string {
  if (!terminated) return ''
  if (terminated.reason) return terminated.reason
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`
}

interface InitSummary {
  /** Why the pod is not past its init containers, as `Init:...`; undefined if it is. */
  readonly blockedBy: string | undefined
  readonly readySidecars: number
  readonly restarts: RestartCount
  readonly sidecarRestarts: RestartCount
}

function summarizeInit(pod: Pod): InitSummary {
  const sidecars = sidecarNames(pod)
  const restarts = new RestartCount()
  const sidecarRestarts = new RestartCount()
  let readySidecars = 0
  const statuses = pod.status?.initContainerStatuses ?? []
  for (const [position, status] of statuses.entries()) {
    const isSidecar = sidecars.has(status.name)
    const state = status.state ?? {}
    restarts.add(status)
    if (isSidecar) sidecarRestarts.add(status)
    if (state.terminated?.exitCode === 0) continue
    if (isSidecar && status.started) {
      if (status.ready) readySidecars++
      continue
    }
    const waitingFor = state.waiting?.reason
    const progress = `${position}/${pod.spec.initContainers?.length ?? 0}`
    const what = exitText(state) || (waitingFor && waitingFor !== 'PodInitializing' ? waitingFor : progress)
    return { blockedBy: `Init:${what}`, readySidecars, restarts, sidecarRestarts }
  }
  return { blockedBy: undefined, readySidecars, restarts, sidecarRestarts }
}

interface MainSummary {
  /** The reason of the first container that has one. */
  readonly reason: string | undefined
  readonly ready: number
}

function summarizeMain(pod: Pod, restarts: RestartCount): MainSummary {
  let reason: string | undefined
  let ready = 0
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    restarts.add(status)
    const state = status.state ?? {}
    const text = state.waiting?.reason || exitText(state)
    if (text) reason = text
    else if (status.ready && state.running) ready++
  }
  return { reason, ready }
}

function phaseText(pod: Pod): string {
  const gated = pod.status?.conditions?.some((one) => one.type === 'PodScheduled' && one.reason === 'SchedulingGated')
  return gated ? 'SchedulingGated' : pod.status?.reason || (pod.status?.phase ?? '')
}

function statusText(pod: Pod, reason: string, isRunning: boolean): string {
  const isFinished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
  if (pod.metadata.deletionTimestamp) {
    if (pod.status?.reason === 'NodeLost') return 'Unknown'
    if (!isFinished) return 'Terminating'
  }
  // One container is done while others run: the pod as a whole still runs.
  if (reason === 'Completed' && isRunning) return hasCondition(pod, 'Ready', 'True') ? 'Running' : 'NotReady'
  return reason
}

function summarizePod(pod: Pod): PodSummary {
  const total = pod.spec.containers.length + sidecarNames(pod).size
  const init = summarizeInit(pod)
  if (init.blockedBy && !hasCondition(pod, 'Initialized', 'True')) {
    const { count, lastMs } = init.restarts
    return { ready: init.readySidecars, total, status: statusText(pod, init.blockedBy, false), restarts: count, lastRestartMs: lastMs }
  }
  const restarts = init.sidecarRestarts
  const main = summarizeMain(pod, restarts)
  const status = statusText(pod, main.reason ?? init.blockedBy ?? phaseText(pod), main.ready > 0)
  return { ready: init.readySidecars + main.ready, total, status, restarts: restarts.count, lastRestartMs: restarts.lastMs }
}

function restartsText(pod: Pod, nowMs: number): string {
  const { restarts, lastRestartMs } = summarizePod(pod)
  if (restarts === 0 || lastRestartMs === undefined) return String(restarts)
  return `${restarts} (${humanDuration(nowMs - lastRestartMs)} ago)`
}

function readyText(pod: Pod): string {
  const { ready, total } = summarizePod(pod)
  return `${ready}/${total}`
}

function readinessGatesText(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? []
  if (gates.length === 0) return none
  return `${gates.filter((gate) => hasCondition(pod, gate.conditionType, 'True')).length}/${gates.length}`
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  column('Ready', 'string', 'How many of the containers are ready.', readyText),
  column('Status', 'string', 'The phase of the pod, or why it is not running as it should.', (pod) => summarizePod(pod).status),
  column('Restarts', 'string', 'How often containers were restarted, and when last.', restartsText),
  ageColumn,
  wideColumn('IP', 'string', 'Address of the pod.', (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || none),
  wideColumn('Node', 'string', 'Node that the pod is bound to.', (pod) => pod.spec.nodeName || none),
  wideColumn('Nominated Node', 'string', 'Node on which room is being made for the pod.', (pod) => pod.status?.nominatedNodeName || none),
  wideColumn('Readiness Gates', 'string', 'How many of the extra conditions for readiness hold.', readinessGatesText),
]
