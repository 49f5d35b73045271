import { describe, expect, test } from 'vitest'
import { EventCorrelator } from './event-correlator.ts'

const event = (message: string, reason = 'Failed') => ({
  reference: { apiVersion: 'v1', kind: 'Pod', namespace: 'd', name: 'p', uid: 'u' },
  type: 'Warning',
  reason,
  message,
  component: 'kubelet',
})

describe('events about an object', () => {
  test('ten similar ones become one that says so', () => {
    const correlator = new EventCorrelator()
    const seen = Array.from({ length: 11 }, (_, n) => correlator.observe(event(`no ${n}`), 0))
    const messages = seen.map((decision) => (decision.action === 'write' ? decision.message : 'dropped'))
    expect(messages[8]).toBe('no 8')
    expect(messages[9]).toBe('(combined from similar events): no 9')
    expect(new Set(seen.slice(9).map((decision) => decision.action === 'write' && decision.key)).size).toBe(1)
  })
  test('25 at once are told, then one more every five minutes', () => {
    const correlator = new EventCorrelator()
    const actions = Array.from({ length: 26 }, () => correlator.observe(event('same'), 0).action)
    expect(actions.filter((action) => action === 'write').length).toBe(25)
    expect(correlator.observe(event('same'), 300_000).action).toBe('write')
    expect(correlator.observe(event('same'), 300_001).action).toBe('drop')
  })
})
