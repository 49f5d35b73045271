import { isSidecar } from '../api/core/pod-facts.ts'
import { qosClass } from '../api/core/pod-qos.ts'
import type { ContainerStatus as ApiContainerStatus, Pod, PodCondition, PodStatus } from '../api/generated/types.ts'
import { timestamp } from '../host/clock.ts'
import { type ContainerFacts, containerStatusOf, ephemeralStatusOf } from './container-statuses.ts'
import { runningOf } from './observed-pod.ts'
import { type Allotment, isResizing, resizeConditions } from './resizing.ts'

export interface PodFacts extends Omit<ContainerFacts, 'given'> {
  readonly now: number
  readonly nodeAddress: string
  readonly secondNodeAddress?: string | undefined
  readonly failure: { reason: string; message: string } | undefined
  readonly allotment: Allotment
}

/** The status that the API should show for this pod. Pure; conditions keep their transition time while they don't change. */
export function podStatusOf(podFacts: PodFacts): PodStatus {
  const facts = { ...podFacts, given: podFacts.allotment.given }
  const { pod, observed, now } = facts
  const inits = pod.spec.initContainers ?? []
  // As upstream: of a pod with init containers no container is ever said to be creating, not even the one whose turn it is.
  const initialising = inits.length > 0
  const init = inits.map((container) => containerStatusOf(container, facts, initialising))
  const initialised = inits.every((container, i) => (isSidecar(container) ? init[i]?.started : succeeded(init[i])))
  const mainsBegan = pod.spec.containers.some(({ name }) => observed.containers.some((container) => container.name === name))
  const main = pod.spec.containers.map((container) => containerStatusOf(container, facts, initialising))
  const ephemeral = (pod.spec.ephemeralContainers ?? []).map((container) => ephemeralStatusOf(container, facts, initialising))
  const phase = phaseOf(facts, init, main)
  const ip = pod.spec.hostNetwork ? (observed.sandboxes.length > 0 ? facts.nodeAddress : '') : (observed.sandbox?.ip ?? '')
  const kept = facts.ending && !observed.sandbox ? (pod.status?.podIPs ?? []) : []
  const second = facts.secondNodeAddress === undefined ? [] : [facts.secondNodeAddress]
  const more = pod.spec.hostNetwork ? second : (observed.sandbox?.additionalIps ?? [])
  /** One of each family, the node's first one first. */
  const podIps = ip ? [ip, ...more].map((each) => ({ ip: each })) : kept
  const previous = pod.status ?? {}
  const failure = facts.failure ?? (phase === 'Failed' && previous.phase === 'Failed' ? previous : undefined)
  return {
    ...(pod.metadata.generation !== undefined ? { observedGeneration: pod.metadata.generation } : {}),
    conditions: conditionsOf(facts, phase, initialised || mainsBegan, init, main),
    containerStatuses: main,
    hostIP: facts.nodeAddress,
    hostIPs: [facts.nodeAddress, ...second].map((each) => ({ ip: each })),
    ...(inits.length > 0 ? { initContainerStatuses: init } : {}),
    ...(failure?.message ? { message: failure.message } : {}),
    phase,
    ...(podIps[0] ? { podIP: podIps[0].ip, podIPs: podIps } : {}),
    qosClass: previous.qosClass ?? qosClass(pod),
    ...(failure?.reason ? { reason: failure.reason } : {}),
    startTime: previous.startTime ?? timestamp(now),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
  }
}

const succeeded = (status: ApiContainerStatus | undefined): boolean => status?.state?.terminated?.exitCode === 0

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
function phaseOf(facts: PodFacts, init: readonly ApiContainerStatus[], main: readonly ApiContainerStatus[]): Phase {
  const { pod, failure, ending } = facts
  const before = pod.status?.phase
  if (before === 'Failed' || before === 'Succeeded') return before
  const stillRuns = [...init, ...main].some(({ state }) => state?.running)
  if (failure && !stillRuns) return 'Failed'
  const policy = pod.spec.restartPolicy ?? 'Always'
  const specs = pod.spec.initContainers ?? []
  const mainsBegan = main.some(({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated)
  if (!mainsBegan) {
    const failed = init.some((status, i) => !isSidecar(specs[i]!) && status.state?.terminated && !succeeded(status))
    return failed && !stillRuns && (policy === 'Never' || ending) ? 'Failed' : 'Pending'
  }
  const ended = main.filter(({ state, lastState }) => state?.terminated || (state?.waiting && lastState?.terminated))
  const neverBegan = main.filter(({ state, lastState }) => state?.waiting && !lastState?.terminated)
  if (main.some(({ state }) => state?.running)) return neverBegan.length > 0 && !ending ? 'Pending' : 'Running'
  if (neverBegan.length > 0 && !ending) return 'Pending'
  const sidecarsRun = init.some(({ state }) => state?.running)
  if (sidecarsRun) return 'Running'
  const allSucceeded = ended.length === main.length && main.every(succeeded)
  if (policy === 'Always' && !ending) return 'Running'
  if (allSucceeded) return 'Succeeded'
  return policy === 'OnFailure' && !ending ? 'Running' : 'Failed'
}

function conditionsOf(
  facts: PodFacts,
  phase: Phase,
  initialised: boolean,
  init: readonly ApiContainerStatus[],
  main: readonly ApiContainerStatus[],
): PodCondition[] {
  const { pod, observed, ending } = facts
  const over = phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : undefined
  const sidecars = (pod.spec.initContainers ?? []).flatMap((container, i) => (isSidecar(container) ? [init[i]!] : []))
  const unready = [...sidecars, ...main].filter(({ ready }) => !ready).map(({ name }) => name)
  const notReady = over
    ? { status: 'False', reason: over }
    : unready.length > 0 || (ending && pod.metadata.deletionTimestamp !== undefined && unready.length > 0)
      ? { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
      : { status: 'True' }
  const gates = (pod.spec.readinessGates ?? []).filter(
    ({ conditionType }) => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status !== 'True',
  )
  const gated =
    notReady.status === 'True' && gates.length > 0
      ? {
          status: 'False',
          reason: 'ReadinessGatesNotReady',
          message: gates
            .map(({ conditionType }) => `corresponding condition of pod readiness gate "${conditionType}" does not exist.`)
            .join(', '),
        }
      : notReady
  const uninitialised = (pod.spec.initContainers ?? []).filter((container, i) =>
    isSidecar(container) ? !init[i]?.started : !succeeded(init[i]),
  )
  const initCondition =
    initialised || phase === 'Succeeded'
      ? { status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) }
      : {
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${uninitialised.map(({ name }) => name).join(' ')}]`,
        }
  const own: Omit<PodCondition, 'lastTransitionTime'>[] = [
    {
      type: 'PodReadyToStartContainers',
      status: observed.sandbox?.ready && (pod.spec.hostNetwork || observed.sandbox.ip) ? 'True' : 'False',
    },
    { type: 'Initialized', ...initCondition },
    { type: 'Ready', ...gated },
    { type: 'ContainersReady', ...notReady },
  ]
  if (!ending) own.push(...resizeConditions(facts.allotment, isResizing(pod, runningOf(observed), facts.allotment)))
  if (!pod.status?.conditions?.some(({ type }) => type === 'PodScheduled')) own.push({ type: 'PodScheduled', status: 'True' })
  return mergeConditions(pod, own, facts.now)
}

/** Ours, that go when what they tell of is over. */
const passing = new Set(['PodResizePending', 'PodResizeInProgress'])

/** Our conditions, then those of others as they are. */
function mergeConditions(pod: Pod, own: readonly Omit<PodCondition, 'lastTransitionTime'>[], now: number): PodCondition[] {
  const before = (pod.status?.conditions ?? []).filter(({ type }) => !passing.has(type) || own.some((one) => one.type === type))
  const merged = own.map((condition) => {
    const known = before.find(({ type }) => type === condition.type)
    const lastTransitionTime = known?.status === condition.status && known.lastTransitionTime ? known.lastTransitionTime : timestamp(now)
    const observedGeneration = pod.metadata.generation
    return { ...condition, lastTransitionTime, ...(observedGeneration !== undefined ? { observedGeneration } : {}) }
  })
  return [...merged, ...before.filter(({ type }) => !own.some((condition) => condition.type === type))]
}
