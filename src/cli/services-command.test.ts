import { expect, test } from 'vitest'
import type { ListedService } from '../cluster/ask/services.ts'
import { endpointSummary, servicesText } from './services-command.ts'

const ready = { address: '10.244.1.11:80', node: 'there', state: 'ready', used: false, connections: 0, packets: 0 } as const

test.each<[ListedService['dropsHere'], string]>([
  [[], '1 of 2 ready'],
  [['inside'], '1 of 2 ready, none on this node for clients inside'],
  [['outside'], '1 of 2 ready, none on this node for clients outside'],
  [['inside', 'outside'], '1 of 2 ready, none on this node'],
])('endpoints that do not help %j', (dropsHere, text) => {
  expect(endpointSummary({ endpoints: [ready, { ...ready, state: 'not ready' }], dropsHere })).toBe(text)
})

test('no endpoints at all', () => {
  expect(endpointSummary({ endpoints: [], dropsHere: [] })).toBe('none')
})

test('headless and external Services, and what is outside', () => {
  const one = { nodePort: undefined, connections: undefined, packets: undefined, bySockets: undefined, dropsHere: [], endpoints: [] }
  const listed: ListedService[] = [
    { ...one, name: 'a/db', type: 'ClusterIP', frontend: 'None', externalAddresses: [], endpoints: [ready] },
    { ...one, name: 'a/far', type: 'ExternalName', frontend: undefined, externalAddresses: ['example.com'] },
    {
      ...one,
      name: 'a/web',
      type: 'LoadBalancer',
      frontend: '10.96.0.9:80/tcp',
      externalAddresses: ['192.0.2.1'],
      connections: 2,
      packets: 9,
    },
  ]
  const lines = servicesText(listed).trimEnd().split('\n')
  expect(lines.map((line) => line.trim().split(/ {3,}/))).toEqual([
    ['SERVICE', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'NODE PORT', 'ENDPOINTS', 'CONNECTIONS', 'PACKETS'],
    ['a/db', 'ClusterIP', 'None', '-', '-', '1 of 1 ready', '-', '-'],
    ['10.244.1.11:80', 'ready on there', '0', '0'],
    ['a/far', 'ExternalName', '-', 'example.com', '-', 'none', '-', '-'],
    ['a/web', 'LoadBalancer', '10.96.0.9:80/tcp', '192.0.2.1', '-', 'none', '2', '9'],
  ])
})
