import { expect, test } from 'vitest'
import type { ListedService } from '../cluster/ask/services.ts'
import { endpointSummary } from './services-command.ts'

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
