import { describe, expect, it } from 'vitest'
import type { Container, Pod, PodSpec } from '../generated/types.ts'
import { podRequests } from './pod-requests.ts'

const needs = (cpu: string, more: Partial<Container> = {}): Container => ({ name: 'c', resources: { requests: { cpu } }, ...more })
const pod = (spec: Partial<PodSpec>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'd', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { containers: [], ...spec },
})

describe('a pod needs', () => {
  it.each<[string, Partial<PodSpec>, number]>([
    ['its containers together', { containers: [needs('1'), needs('500m')] }, 1500],
    ['its largest init container where that is more', { initContainers: [needs('3'), needs('2')], containers: [needs('1')] }, 3000],
    [
      'an init container beside the sidecars before it',
      { initContainers: [needs('1', { restartPolicy: 'Always' }), needs('3')], containers: [needs('1')] },
      4000,
    ],
    ['what it names as a whole', { containers: [needs('1')], resources: { requests: { cpu: '4' } } }, 4000],
    ['its overhead on top', { containers: [needs('1')], overhead: { cpu: '250m' } }, 1250],
  ])('%s', (_, spec, milli) => {
    expect(podRequests(pod(spec)).get('cpu')).toBe(milli)
  })
})
