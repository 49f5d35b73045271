import { defineKind } from '../define-kind.ts'
import type { Node } from '../generated/types.ts'

export const nodes = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
  shortNames: ['no'],
  hasStatus: true,
})
