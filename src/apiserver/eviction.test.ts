import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pod, PodDisruptionBudget } from '../api/generated/types.ts'
import { evictionStep } from './eviction.ts'
import { pod as podBody, TestServer } from './testing/test-server.ts'

const podOf = (phase: string, ready: boolean): Pod =>
  ({
    metadata: { name: 'web', labels: { app: 'web' }, resourceVersion: '7' },
    spec: { containers: [] },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }) as unknown as Pod
const budgetOf = (spec: object, status: object = {}): PodDisruptionBudget =>
  ({ metadata: { name: 'b' }, spec: { selector: { matchLabels: { app: 'web' } }, ...spec }, status }) as unknown as PodDisruptionBudget

test.each([
  { name: 'no budget', pod: podOf('Running', true), budgets: [], takes: false, held: undefined },
  {
    name: 'a budget of others',
    pod: podOf('Running', true),
    budgets: [budgetOf({ selector: { matchLabels: { app: 'db' } } })],
    takes: false,
    held: undefined,
  },
  { name: 'a ready pod', pod: podOf('Running', true), budgets: [budgetOf({})], takes: true, held: undefined },
  { name: 'a pod that has ended', pod: podOf('Failed', false), budgets: [budgetOf({})], takes: false, held: undefined },
  { name: 'a pod that has not begun', pod: podOf('Pending', false), budgets: [budgetOf({})], takes: false, held: '7' },
  {
    name: 'an unready pod, too few healthy',
    pod: podOf('Running', false),
    budgets: [budgetOf({}, { currentHealthy: 1, desiredHealthy: 2 })],
    takes: true,
    held: undefined,
  },
  {
    name: 'an unready pod, enough healthy',
    pod: podOf('Running', false),
    budgets: [budgetOf({}, { currentHealthy: 2, desiredHealthy: 2 })],
    takes: false,
    held: '7',
  },
  {
    name: 'an unready pod that may always go',
    pod: podOf('Running', false),
    budgets: [budgetOf({ unhealthyPodEvictionPolicy: 'AlwaysAllow' })],
    takes: false,
    held: '7',
  },
])('$name', ({ pod, budgets, takes, held }) => {
  const step = evictionStep(pod, budgets)
  expect([step.budget !== undefined, step.resourceVersion]).toEqual([takes, held])
})

test('two budgets for one pod are an error', () => {
  expect(() => evictionStep(podOf('Running', true), [budgetOf({}), budgetOf({})])).toThrow('more than one PodDisruptionBudget')
})

describe('over the API', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await TestServer.start()
  })
  afterAll(() => server.close())
  const pods = '/api/v1/namespaces/default/pods'
  const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets'
  const evict = (name: string) => server.ask('POST', `${pods}/${name}/eviction`, { body: { metadata: { name } } })

  async function running(name: string): Promise<void> {
    const made = (await server.ask('POST', pods, { body: { ...podBody(name), metadata: { name, labels: { app: 'web' } } } })).object
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    expect((await server.ask('PUT', `${pods}/${name}/status`, { body: { ...made, status } })).code).toBe(200)
  }

  test('evictions at once take no more than the budget allows', async () => {
    const names = ['a', 'b', 'c', 'd']
    for (const name of names) await running(name)
    const spec = { minAvailable: 2, selector: { matchLabels: { app: 'web' } } }
    const made = (await server.ask('POST', budgets, { body: { metadata: { name: 'web' }, spec } })).object
    const early = await evict('a')
    expect([early.code, early.object]).toMatchObject([
      429,
      {
        reason: 'TooManyRequests',
        details: { causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget web is still being processed by the server.' }] },
      },
    ])
    const status = { observedGeneration: 1, disruptionsAllowed: 2, currentHealthy: 4, desiredHealthy: 2, expectedPods: 4 }
    await server.ask('PUT', `${budgets}/web/status`, { body: { ...made, status } })
    const answers = await Promise.all(names.map(evict))
    expect(answers.map(({ code }) => code).sort()).toEqual([201, 201, 429, 429])
    expect(answers.find(({ code }) => code === 429)?.object).toMatchObject({
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: { causes: [{ message: 'The disruption budget web needs 2 healthy pods and has 4 currently' }] },
    })
    const after = (await server.ask('GET', `${budgets}/web`)).object as unknown as PodDisruptionBudget
    expect(after.status).toMatchObject({ disruptionsAllowed: 0, conditions: [{ type: 'DisruptionAllowed', status: 'False' }] })
    expect(Object.keys(after.status?.disruptedPods ?? {})).toHaveLength(2)
  })
})
