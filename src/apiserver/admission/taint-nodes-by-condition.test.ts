import { expect, test } from 'vitest'
import type { Node } from '../../api/generated/types.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'
import { factsOf, requestOf } from './testing/fake-facts.ts'

const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
const other = { key: 'gpu', effect: 'NoSchedule' }

test.each([
  { name: 'a new node', given: undefined, becomes: [taint] },
  { name: 'a new node with taints of its own', given: [other], becomes: [other, taint] },
  { name: 'a new node that has it', given: [taint], becomes: [taint] },
])('$name is tainted until it is ready', ({ given, becomes }) => {
  const request = requestOf({ kind: 'Node', metadata: { name: 'n' }, spec: given ? { taints: given } : {} })
  taintNodesByCondition.admit?.(request, factsOf())
  expect((request.object as Node).spec?.taints).toEqual(becomes)
})
