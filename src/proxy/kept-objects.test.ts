import { expect, test } from 'vitest'
import { withoutManagers, withoutPods } from './kept-objects.ts'
import { service, slice } from './testing/scenes.ts'

test('nothing that decides where traffic goes is lost of what the proxy keeps', () => {
  const plainService = service('web', '10.96.0.10', [{}])
  const managers = { managedFields: [{ manager: 'kubectl' }] }
  expect(withoutManagers({ ...plainService, metadata: { ...plainService.metadata, ...managers } })).toEqual(plainService)
  const plain = slice('web', ['a', 'b'])
  const targetRef = { kind: 'Pod', namespace: 'test', name: 'a' }
  const full = {
    ...plain,
    metadata: { ...plain.metadata, ...managers },
    endpoints: (plain.endpoints ?? []).map((endpoint) => ({ ...endpoint, targetRef })),
  }
  expect(withoutPods(full)).toEqual(plain)
})
