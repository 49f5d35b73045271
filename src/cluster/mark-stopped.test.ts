import { describe, expect, it } from 'vitest'
import type { Node, Pod } from '../api/generated/types.ts'
import { stoppedNode, stoppedPod } from './mark-stopped.ts'

const at = '2026-01-01T00:00:00Z'
const metadata = { name: 'x', uid: 'u', resourceVersion: '1', creationTimestamp: at }

describe('what is written down when a cluster goes down', () => {
  it('a ready pod is no longer ready, nor are its containers; its phase stays', () => {
    const pod: Pod = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] } },
      status: {
        phase: 'Running',
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'PodScheduled', status: 'True' },
        ],
        containerStatuses: [{ name: 'a', image: 'i', imageID: 'i', ready: true, restartCount: 2 }],
      },
    }
    expect(stoppedPod(pod, at)?.status).toMatchObject({
      phase: 'Running',
      conditions: [
        { type: 'Ready', status: 'False', reason: 'NodeDown', lastTransitionTime: at },
        { type: 'PodScheduled', status: 'True' },
      ],
      containerStatuses: [{ ready: false, restartCount: 2 }],
    })
  })

  it('a pod that is not ready is left alone', () => {
    const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] }, status: { phase: 'Pending' } }
    expect(stoppedPod(pod, at)).toBeUndefined()
  })

  it('the node is not Ready', () => {
    const node: Node = { apiVersion: 'v1', kind: 'Node', metadata, spec: {}, status: { conditions: [{ type: 'Ready', status: 'True' }] } }
    expect(stoppedNode(node, at)?.status?.conditions).toMatchObject([{ type: 'Ready', status: 'False', reason: 'NodeDown' }])
  })
})
