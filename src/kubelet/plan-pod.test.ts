import { describe, expect, test } from 'vitest'
import type { Container, Pod, PodSpec } from '../api/generated/types.ts'
import type { ContainerStatus, SandboxStatus } from '../cri/runtime.ts'
import { containerHash, containerHashAnnotation } from './labels.ts'
import type { ObservedPod } from './observed-pod.ts'
import { newMemory, type PodMemory, type PodSituation, planPod, type Step } from './plan-pod.ts'
import { spentSandboxes } from './pod-steps.ts'

const now = 1_000_000
const web: Container = { name: 'web', image: 'web:1' }

function pod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}, status: Pod['status'] = {}): Pod {
  const meta = { name: 'a', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: '', ...metadata }
  return { apiVersion: 'v1', kind: 'Pod', metadata: meta, spec: { containers: [web], ...spec }, status }
}

const sandbox = (attempt: number, ready = true): SandboxStatus => ({
  ...{ id: `s${attempt}`, podName: 'a', podNamespace: 'default', podUid: 'u', attempt, ready, createdAt: 0, labels: {}, annotations: {} },
  ...{ ip: '10.244.0.2', additionalIps: [] },
})

function container(
  spec: Container,
  attempt: number,
  state: ContainerStatus['state'],
  more: Partial<ContainerStatus> = {},
): ContainerStatus {
  return {
    ...{
      id: `${spec.name}-${attempt}`,
      sandboxId: 's0',
      name: spec.name,
      attempt,
      state,
      image: '',
      imageRef: '',
      createdAt: 0,
      labels: {},
    },
    ...{
      annotations: { [containerHashAnnotation]: containerHash(spec) },
      startedAt: 0,
      finishedAt: now,
      exitCode: 0,
      reason: '',
      message: '',
      logPath: '',
    },
    ...more,
  }
}

function observed(sandboxes: SandboxStatus[], containers: ContainerStatus[] = []): ObservedPod {
  return { sandboxes, sandbox: sandboxes[0]?.ready ? sandboxes[0] : undefined, containers }
}

const ready = (more: Partial<PodMemory> = {}): PodMemory => ({ ...newMemory(pod()), volumesReady: true, ...more })

/** Steps in short, such as `start web 1` or `kill web-0 30`. */
function shown(step: Step): string {
  switch (step.do) {
    case 'start':
      return `start ${step.container.name} ${step.attempt}${step.replaces ? ` for ${step.replaces}` : ''}`
    case 'pull':
      return `pull ${step.container.name} ${step.attempt}`
    case 'kill':
      return `kill ${step.container.id} ${step.graceSeconds}`
    case 'create-sandbox':
      return `create-sandbox ${step.attempt}`
    case 'stop-sandbox':
      return `stop-sandbox ${step.id}`
    case 'resize':
      return `resize ${step.containerId}`
    case 'fail':
      return `fail ${step.reason}`
    default:
      return step.do
  }
}

const deleted = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 }
const failed = { exitCode: 1 }
const side: Container = { name: 'side', image: 'web:1', restartPolicy: 'Always' }
const init: Container = { name: 'init', image: 'web:1' }
const pulled = (...names: [string, number][]) => new Map(names.map(([name, attempt]) => [name, { attempt, imageRef: 'i' }]))

const cases: [string, Partial<PodSituation>, string[]][] = [
  ['a new pod: volumes first', { memory: newMemory(pod()) }, ['mount-volumes']],
  ['then the sandbox', {}, ['create-sandbox 0']],
  ['then the image', { observed: observed([sandbox(0)]) }, ['pull web 0']],
  ['then the container', { observed: observed([sandbox(0)]), memory: ready({ pulled: pulled(['web', 0]) }) }, ['start web 0']],
  ['running: nothing', { observed: observed([sandbox(0)], [container(web, 0, 'running')]) }, []],
  [
    'created, never started: once more',
    { observed: observed([sandbox(0)], [container(web, 0, 'created')]), memory: ready({ pulled: pulled(['web', 0]) }) },
    ['start web 0 for web-0'],
  ],
  ['ended: the next attempt', { observed: observed([sandbox(0)], [container(web, 0, 'exited', failed)]) }, ['pull web 1']],
  [
    'a dead sandbox with a running container: that ends first',
    { observed: observed([sandbox(0, false)], [container(web, 0, 'running')]) },
    ['kill web-0 2'],
  ],
  ['a dead sandbox: a new one', { observed: observed([sandbox(0, false)], [container(web, 0, 'exited')]) }, ['create-sandbox 1']],
  [
    'in the new sandbox attempts go on counting',
    { observed: observed([sandbox(1), sandbox(0, false)], [container(web, 4, 'exited')]) },
    ['pull web 5'],
  ],
  [
    'in the new sandbox what had succeeded under OnFailure is not run again',
    {
      pod: pod({ restartPolicy: 'OnFailure', containers: [web, { name: 'job', image: 'web:1' }] }),
      observed: observed(
        [sandbox(1), sandbox(0, false)],
        [container(web, 0, 'exited'), container({ ...web, name: 'job' }, 0, 'exited', failed)],
      ),
    },
    ['pull job 1'],
  ],
  [
    'a changed image: the container is replaced',
    { pod: pod({ containers: [{ ...web, image: 'web:2' }] }), observed: observed([sandbox(0)], [container(web, 0, 'running')]) },
    ['kill web-0 30'],
  ],
  ['init containers first', { pod: pod({ initContainers: [init] }), observed: observed([sandbox(0)]) }, ['pull init 0']],
  [
    'init done: the others',
    { pod: pod({ initContainers: [init] }), observed: observed([sandbox(0)], [container(init, 0, 'exited')]) },
    ['pull web 0'],
  ],
  [
    'an init container that ran long ago runs not again',
    { pod: pod({ initContainers: [init] }), observed: observed([sandbox(0)], [container(web, 0, 'running')]) },
    [],
  ],
  [
    'a sidecar that has not started holds the others back',
    { pod: pod({ initContainers: [side] }), observed: observed([sandbox(0)], [container(side, 0, 'running')]) },
    [],
  ],
  [
    'a started sidecar lets them go',
    {
      pod: pod({ initContainers: [side] }),
      observed: observed([sandbox(0)], [container(side, 0, 'running')]),
      memory: ready({ started: new Set(['side-0']) }),
    },
    ['pull web 0'],
  ],
  [
    'deleted: containers end',
    { pod: pod({}, deleted), observed: observed([sandbox(0)], [container(web, 0, 'running')]) },
    ['kill web-0 30'],
  ],
  [
    'deleted: sidecars wait for the others',
    {
      pod: pod({ initContainers: [side] }, deleted),
      observed: observed([sandbox(0)], [container(web, 0, 'running'), container(side, 0, 'running')]),
    },
    ['kill web-0 30'],
  ],
  [
    'deleted, containers ended: the sandbox',
    { pod: pod({}, deleted), observed: observed([sandbox(0)], [container(web, 0, 'exited')]) },
    ['stop-sandbox s0'],
  ],
  ['deleted, all ended: volumes', { pod: pod({}, deleted), observed: observed([sandbox(0, false)]) }, ['release']],
  [
    'deleted, released: the object',
    { pod: pod({}, deleted), observed: observed([sandbox(0, false)]), memory: ready({ released: true }) },
    ['finish'],
  ],
  [
    'gone by force: a second, then the kill',
    { gone: true, pod: pod({}, { deletionGracePeriodSeconds: 0 }), observed: observed([sandbox(0)], [container(web, 0, 'running')]) },
    ['kill web-0 1'],
  ],
  ['gone and ended: all traces', { gone: true, observed: observed([sandbox(0, false)]) }, ['remove']],
  [
    'Never, ended: over',
    { pod: pod({ restartPolicy: 'Never' }), observed: observed([sandbox(0)], [container(web, 0, 'exited', failed)]) },
    ['stop-sandbox s0'],
  ],
  [
    'OnFailure, failed: again',
    { pod: pod({ restartPolicy: 'OnFailure' }), observed: observed([sandbox(0)], [container(web, 0, 'exited', failed)]) },
    ['pull web 1'],
  ],
  [
    'a pod that was over before a restart stays over',
    { pod: pod({}, {}, { phase: 'Failed' }), observed: observed([]), memory: ready({ released: true }) },
    [],
  ],
  ['past its deadline', { pod: pod({ activeDeadlineSeconds: 1 }, {}, { startTime: '1970-01-01T00:00:00Z' }) }, ['fail DeadlineExceeded']],
]

describe('the plan for a pod', () => {
  test.each(cases)('%s', (_, situation, steps) => {
    const plan = planPod({ pod: pod(), gone: false, observed: observed([]), memory: ready(), now, ...situation })
    expect(plan.steps.map(shown)).toEqual(steps)
  })

  test('a container in back-off waits, and says until when', () => {
    const memory = ready({ restarts: new Map([['web', { delayMs: 20_000, since: now }]]) })
    const plan = planPod({
      pod: pod(),
      gone: false,
      observed: observed([sandbox(0)], [container(web, 2, 'exited', failed)]),
      memory,
      now: now + 5000,
    })
    expect(plan.steps).toEqual([])
    expect(plan.lookAgainAt).toBe(now + 20_000)
    expect(plan.waiting.get('web')).toEqual({
      ...{ reason: 'CrashLoopBackOff', message: 'back-off 20s restarting failed container=web pod=a_default(u)' },
    })
  })
})

describe('a new sandbox makes useless', () => {
  test.each<[string, ObservedPod, string[]]>([
    ['not the last one, whose containers say how they ended', observed([sandbox(0, false)], [container(web, 0, 'exited')]), []],
    ['one that never held a container: the runtime was killed while it made it', observed([sandbox(0, false)]), ['s0']],
    ['all before the last', observed([sandbox(1, false), sandbox(0, false)], [container(web, 0, 'exited', { sandboxId: 's1' })]), ['s0']],
  ])('%s', (_, seen, expected) => expect(spentSandboxes(seen).map(({ id }) => id)).toEqual(expected))
})
