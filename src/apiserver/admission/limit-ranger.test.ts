import { expect, test } from 'vitest'
import type { Pod } from '../../api/generated/types.ts'
import { limitRanger } from './limit-ranger.ts'
import { factsOf, refusalOf, requestOf } from './testing/fake-facts.ts'

const rangeOf = (...limits: object[]) => ({ kind: 'LimitRange', metadata: { name: 'limits' }, spec: { limits } })
const podOf = (...resources: object[]) => ({
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { containers: resources.map((one, at) => ({ name: `c${at}`, resources: one })) },
})
const claimOf = (storage: string) => ({
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data' },
  spec: { resources: { requests: { storage } } },
})

test('containers get what they leave out, and the pod says so', () => {
  const range = rangeOf({ type: 'Container', default: { cpu: '1', memory: '1Gi' }, defaultRequest: { cpu: '100m' } })
  const request = requestOf(podOf({ limits: { cpu: '2' } }))
  limitRanger.admit?.(request, factsOf(range))
  const { metadata, spec } = request.object as Pod
  expect(spec.containers[0]?.resources).toEqual({ limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '100m' } })
  expect(metadata.annotations).toEqual({
    'kubernetes.io/limit-ranger': 'LimitRanger plugin set: cpu request for container c0; memory limit for container c0',
  })
})

const cpu = (request: string | undefined, limit: string | undefined) => ({
  ...(request ? { requests: { cpu: request } } : {}),
  ...(limit ? { limits: { cpu: limit } } : {}),
})
const container = (bounds: object) => rangeOf({ type: 'Container', ...bounds })
const wholePod = (bounds: object) => rangeOf({ type: 'Pod', ...bounds })

test.each([
  { range: container({ min: { cpu: '200m' } }), pod: podOf(cpu('200m', '1')), why: undefined },
  {
    range: container({ min: { cpu: '200m' } }),
    pod: podOf(cpu('100m', '1')),
    why: 'minimum cpu usage per Container is 200m, but request is 100m',
  },
  { range: container({ min: { cpu: '200m' } }), pod: podOf({}), why: 'minimum cpu usage per Container is 200m.  No request is specified' },
  { range: container({ max: { cpu: '1' } }), pod: podOf(cpu('1', '2')), why: 'maximum cpu usage per Container is 1, but limit is 2' },
  { range: container({ max: { cpu: '1' } }), pod: podOf({}), why: 'maximum cpu usage per Container is 1.  No limit is specified' },
  {
    range: container({ maxLimitRequestRatio: { cpu: '2' } }),
    pod: podOf(cpu('1', '3')),
    why: 'cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000',
  },
  {
    range: container({ maxLimitRequestRatio: { cpu: '2' } }),
    pod: podOf(cpu(undefined, '3')),
    why: 'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
  },
  {
    range: container({ min: { cpu: '200m' }, max: { cpu: '1' } }),
    pod: podOf(cpu('100m', '2')),
    why: '[minimum cpu usage per Container is 200m, but request is 100m, maximum cpu usage per Container is 1, but limit is 2]',
  },
  { range: wholePod({ max: { cpu: '2' } }), pod: podOf(cpu('1', '1'), cpu('1', '1')), why: undefined },
  {
    range: wholePod({ max: { cpu: '2' } }),
    pod: podOf(cpu('1', '1500m'), cpu('1', '1')),
    why: 'maximum cpu usage per Pod is 2, but limit is 2500m',
  },
])('a pod: $why', ({ range, pod, why }) => {
  expect(refusalOf(() => limitRanger.validate?.(requestOf(pod), factsOf(range)))).toBe(why && `pods "web" is forbidden: ${why}`)
})

test.each([
  { storage: '5Gi', why: undefined },
  { storage: '1Mi', why: 'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi' },
  { storage: '20Gi', why: 'maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi' },
])('a claim of $storage: $why', ({ storage, why }) => {
  const range = rangeOf({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '10Gi' } })
  expect(refusalOf(() => limitRanger.validate?.(requestOf(claimOf(storage)), factsOf(range)))).toBe(
    why && `persistentvolumeclaims "data" is forbidden: ${why}`,
  )
})
