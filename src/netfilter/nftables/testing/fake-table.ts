import type { Bytes } from '../../netlink/message.ts'
import type { Expression } from '../expressions.ts'
import type { BaseHook, Element, Family, NftSet } from '../ruleset.ts'

export interface FakeSet {
  spec: NftSet
  elements: Map<Bytes, Element & { expiresAt?: number }>
}
export interface FakeRule {
  handle: number
  expressions: Expression[]
  comment?: string
}
export interface FakeChain {
  hook: BaseHook | undefined
  rules: FakeRule[]
}
export interface FakeTable {
  family: Family
  name: string
  sets: Map<string, FakeSet>
  chains: Map<string, FakeChain>
  counters: Set<string>
}

/** Why a change is refused: an errno's name, and which of its elements. */
export class Refusal extends Error {
  readonly code: string
  readonly element: number
  constructor(code: string, element = 0) {
    super(code)
    this.code = code
    this.element = element
  }
}
