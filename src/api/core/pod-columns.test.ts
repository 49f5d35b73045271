import { describe, expect, test } from 'vitest'
import type { ContainerStatus, Pod, PodStatus } from '../generated/types.ts'
import { podColumns } from './pod-columns.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const fiveMinutesAgo = '2026-03-01T11:55:00Z'

function status(name: string, more: Partial<ContainerStatus>): ContainerStatus {
  return { name, image: 'i', imageID: '', ready: false, restartCount: 0, ...more }
}

interface Case {
  name: string
  containers?: number
  init?: { name: string; restartPolicy?: string }[]
  status: PodStatus
  deletion?: boolean
  row: [ready: string, status: string, restarts: string]
}

function row({ containers = 1, init, status: podStatus, deletion }: Case): unknown[] {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-03-01T10:00:00Z' },
    spec: { containers: Array.from({ length: containers }, (_, index) => ({ name: `c${index}` })), initContainers: init },
    status: podStatus,
  }
  if (deletion) pod.metadata.deletionTimestamp = fiveMinutesAgo
  return podColumns.map((column) => column.value(pod, now))
}

const running = { running: { startedAt: fiveMinutesAgo } }

const cases: Case[] = [
  { name: 'new', status: { phase: 'Pending' }, row: ['0/1', 'Pending', '0'] },
  {
    name: 'running',
    status: { phase: 'Running', containerStatuses: [status('c0', { ready: true, state: running })] },
    row: ['1/1', 'Running', '0'],
  },
  {
    name: 'crashing',
    status: {
      phase: 'Running',
      containerStatuses: [
        status('c0', {
          restartCount: 3,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 1, finishedAt: fiveMinutesAgo } },
        }),
      ],
    },
    row: ['0/1', 'CrashLoopBackOff', '3 (5m ago)'],
  },
  {
    name: 'waiting for its image',
    status: { phase: 'Pending', containerStatuses: [status('c0', { state: { waiting: { reason: 'ImagePullBackOff' } } })] },
    row: ['0/1', 'ImagePullBackOff', '0'],
  },
  {
    name: 'done',
    status: { phase: 'Succeeded', containerStatuses: [status('c0', { state: { terminated: { exitCode: 0, reason: 'Completed' } } })] },
    row: ['0/1', 'Completed', '0'],
  },
  {
    name: 'failed without a reason',
    status: { phase: 'Failed', containerStatuses: [status('c0', { state: { terminated: { exitCode: 7 } } })] },
    row: ['0/1', 'ExitCode:7', '0'],
  },
  {
    name: 'killed by a signal',
    status: { phase: 'Failed', containerStatuses: [status('c0', { state: { terminated: { exitCode: 137, signal: 9 } } })] },
    row: ['0/1', 'Signal:9', '0'],
  },
  {
    name: 'one container done, another running and ready',
    containers: 2,
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        status('c0', { state: { terminated: { exitCode: 0, reason: 'Completed' } } }),
        status('c1', { ready: true, state: running }),
      ],
    },
    row: ['1/2', 'Running', '0'],
  },
  {
    name: 'one container done, the pod not ready',
    containers: 2,
    status: {
      phase: 'Running',
      containerStatuses: [
        status('c0', { state: { terminated: { exitCode: 0, reason: 'Completed' } } }),
        status('c1', { ready: true, state: running }),
      ],
    },
    row: ['1/2', 'NotReady', '0'],
  },
  {
    name: 'being deleted',
    deletion: true,
    status: { phase: 'Running', containerStatuses: [status('c0', { ready: true, state: running })] },
    row: ['1/1', 'Terminating', '0'],
  },
  { name: 'deleted on a lost node', deletion: true, status: { phase: 'Running', reason: 'NodeLost' }, row: ['0/1', 'Unknown', '0'] },
  { name: 'deleted when done', deletion: true, status: { phase: 'Succeeded' }, row: ['0/1', 'Succeeded', '0'] },
  { name: 'evicted', status: { phase: 'Failed', reason: 'Evicted' }, row: ['0/1', 'Evicted', '0'] },
  {
    name: 'held by a gate',
    status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
    row: ['0/1', 'SchedulingGated', '0'],
  },
  {
    name: 'first of two init containers runs',
    init: [{ name: 'a' }, { name: 'b' }],
    status: { phase: 'Pending', initContainerStatuses: [status('a', { state: running }), status('b', {})] },
    row: ['0/1', 'Init:0/2', '0'],
  },
  {
    name: 'second init container runs',
    init: [{ name: 'a' }, { name: 'b' }],
    status: {
      phase: 'Pending',
      initContainerStatuses: [status('a', { state: { terminated: { exitCode: 0 } } }), status('b', { state: running })],
    },
    row: ['0/1', 'Init:1/2', '0'],
  },
  {
    name: 'init container crashes',
    init: [{ name: 'a' }],
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        status('a', {
          restartCount: 2,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 1, finishedAt: fiveMinutesAgo } },
        }),
      ],
    },
    row: ['0/1', 'Init:CrashLoopBackOff', '2 (5m ago)'],
  },
  {
    name: 'init container failed',
    init: [{ name: 'a' }],
    status: { phase: 'Failed', initContainerStatuses: [status('a', { state: { terminated: { exitCode: 3 } } })] },
    row: ['0/1', 'Init:ExitCode:3', '0'],
  },
  {
    name: 'initialising',
    init: [{ name: 'a' }],
    status: {
      phase: 'Pending',
      initContainerStatuses: [status('a', { state: { terminated: { exitCode: 0 } } })],
      containerStatuses: [status('c0', { state: { waiting: { reason: 'PodInitializing' } } })],
    },
    row: ['0/1', 'PodInitializing', '0'],
  },
  {
    name: 'with a sidecar',
    init: [{ name: 'side', restartPolicy: 'Always' }],
    status: {
      phase: 'Running',
      initContainerStatuses: [status('side', { ready: true, started: true, restartCount: 1, state: running })],
      containerStatuses: [status('c0', { ready: true, state: running })],
    },
    row: ['2/2', 'Running', '1'],
  },
]

describe('a row of kubectl get pods', () => {
  test.each(cases)('$name', (one) => {
    const [name, ready, podStatus, restarts, age] = row(one)
    expect([name, ready, podStatus, restarts, age]).toEqual(['web', ...one.row, '120m'])
  })

  test('-o wide adds addresses and nodes', () => {
    const wide = row({ name: '', row: ['', '', ''], status: { podIPs: [{ ip: '10.244.0.5' }], nominatedNodeName: 'b' } })
    expect(wide.slice(5)).toEqual(['10.244.0.5', '<none>', 'b', '<none>'])
  })
})
