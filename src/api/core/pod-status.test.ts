import { describe, expect, test } from 'vitest'
import type { ContainerStatus, PodSpec, PodStatus } from '../generated/types.ts'
import { podWith } from '../testing/pod-cases.ts'
import { pods } from './pod.ts'

const ended = (exitCode: number): ContainerStatus => ({ ...running, state: { terminated: { exitCode } } })
const running: ContainerStatus = { name: 'main', image: 'i', imageID: 'x', ready: true, restartCount: 0, state: { running: {} } }

function change(spec: Partial<PodSpec>, before: PodStatus, now: PodStatus): string[] {
  const previous = podWith(spec)
  const next = structuredClone(previous)
  previous.status = { qosClass: 'BestEffort', ...before }
  next.status = now
  pods.prepareForStatusUpdate(next, previous, { part: 'status', time: '2026-03-01T12:00:00Z' })
  return pods.validateStatusUpdate(next, previous, 'status').map(({ field, message }) => `${field}: ${message}`)
}

const gone = 'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state'
const never = { restartPolicy: 'Never' }

describe('a change of a pod’s status', () => {
  test.each<[string, Partial<PodSpec>, PodStatus, PodStatus, string[]?]>([
    ['keeps the class that a client leaves out', {}, {}, { phase: 'Running' }],
    ['to another class', {}, {}, { qosClass: 'Guaranteed' }, ['status.qosClass: Invalid value: "Guaranteed": field is immutable']],
    ['back to life', never, { containerStatuses: [ended(0)] }, { containerStatuses: [running] }, [gone]],
    ['back to life after a failure', { restartPolicy: 'OnFailure' }, { containerStatuses: [ended(1)] }, { containerStatuses: [running] }],
    [
      'back to life by a rule',
      {
        ...never,
        containers: [
          {
            name: 'main',
            image: 'i',
            restartPolicy: 'Never',
            restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
          },
        ],
      },
      { containerStatuses: [ended(42)] },
      { containerStatuses: [running] },
    ],
    ['takes the one address for the list', {}, {}, { podIP: '10.0.0.1' }],
    [
      'to two addresses of one family',
      {},
      {},
      { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] },
      ['status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family'],
    ],
    [
      'to another host than the first',
      {},
      {},
      { hostIP: '10.0.0.1', hostIPs: [{ ip: '10.0.0.2' }] },
      ['status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`'],
    ],
    [
      'to a node while it has one',
      { nodeName: 'a' },
      {},
      { nominatedNodeName: 'b' },
      ['status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node'],
    ],
    [
      'to a condition that is none',
      {},
      {},
      { conditions: [{ type: 'a b', status: 'True' }] },
      [expect.stringMatching(/^status\.conditions\[0\]\.Type: Invalid value: "a b": name part must consist/) as unknown as string],
    ],
    [
      'with a claim that it has not',
      {},
      {},
      { resourceClaimStatuses: [{ name: 'x' }] },
      ['status.resourceClaimStatuses[0].name: Invalid value: "x": must match the name of an entry in `spec.resourceClaims`'],
    ],
    [
      'of a user of the kernel’s',
      {},
      {},
      { containerStatuses: [{ ...running, user: { linux: { uid: 2 ** 32 - 1, gid: -1 } } }] },
      ['status.containerStatuses[0].user.linux.gid: Invalid value: -1: must be between 0 and 2147483647, inclusive'],
    ],
  ])('%s', (_, spec, before, now, faults = []) => expect(change(spec, before, now)).toEqual(faults))
})
