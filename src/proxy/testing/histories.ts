import fc from 'fast-check'
import type { EndpointSlice, Service } from '../../api/generated/types.ts'
import { endpoint, type PodName, service, slice, world } from './scenes.ts'

/** What a Service may become, in all that rules depend on. */
const state = fc.record({
  which: fc.integer({ min: 0, max: 5 }),
  exists: fc.boolean(),
  protocols: fc.subarray(['TCP', 'UDP', 'SCTP'] as const, { minLength: 1 }),
  nodePort: fc.constantFrom(undefined, 'own', 'shared'),
  external: fc.subarray(['198.51.100.1', '198.51.100.2']),
  balancer: fc.subarray(['198.51.100.3', '198.51.100.4']),
  ranges: fc.subarray(['192.168.77.0/24', '10.0.0.0/8', '203.0.113.7/32', '0.0.0.0/0']),
  externalLocal: fc.boolean(),
  internalLocal: fc.boolean(),
  affinity: fc.constantFrom(undefined, 100, 10_800),
  pods: fc.subarray(Object.keys(world.pods) as PodName[]),
  ending: fc.subarray(Object.keys(world.pods) as PodName[]),
})
type State = typeof state extends fc.Arbitrary<infer T> ? T : never

/** Sequences of changes, some of which make Services contend for an address or a node port. */
export const historyArbitrary: fc.Arbitrary<State[]> = fc.array(state, { minLength: 1, maxLength: 12 })

interface Step {
  readonly name: string
  readonly service: Service | undefined
  readonly slices: readonly EndpointSlice[]
}

/** Tells each step, and answers what there is at the end. */
export async function replay(
  history: readonly State[],
  each: (step: Step) => Promise<void>,
): Promise<{ services: Service[]; slices: EndpointSlice[] }> {
  const current = new Map<string, Step>()
  for (const step of history.map(stepOf)) {
    if (step.service) current.set(step.name, step)
    else current.delete(step.name)
    await each(step)
  }
  const steps = [...current.values()]
  return { services: steps.flatMap(({ service: one }) => (one ? [one] : [])), slices: steps.flatMap(({ slices }) => slices) }
}

function stepOf(change: State): Step {
  const name = `s${change.which}`
  if (!change.exists) return { name, service: undefined, slices: [] }
  const port = change.nodePort && { nodePort: change.nodePort === 'own' ? 30_100 + change.which : 30_099 }
  const ports = change.protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol }))
  const one = service(
    name,
    `10.96.1.${change.which}`,
    ports.map((each) => ({ ...each, ...port })),
    {
      type: change.balancer.length > 0 ? 'LoadBalancer' : 'NodePort',
      externalIPs: change.external,
      loadBalancerSourceRanges: change.ranges,
      externalTrafficPolicy: change.externalLocal ? 'Local' : 'Cluster',
      internalTrafficPolicy: change.internalLocal ? 'Local' : 'Cluster',
      sessionAffinity: change.affinity === undefined ? 'None' : 'ClientIP',
      ...(change.affinity === undefined ? {} : { sessionAffinityConfig: { clientIP: { timeoutSeconds: change.affinity } } }),
    },
  )
  one.status = { loadBalancer: { ingress: change.balancer.map((ip) => ({ ip })) } }
  const endpoints = change.pods.map((pod) => endpoint(pod, change.ending.includes(pod) ? { ready: false, terminating: true } : {}))
  return { name, service: one, slices: [slice(name, endpoints, ports)] }
}
