/** A literal's value: an int is a bigint, a double a number. */
export type Literal =
  | { readonly kind: 'int' | 'uint'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'null' }

export interface Entry {
  readonly key: Node
  readonly value: Node
  /** `{?key: value}`: left out where the value is an empty optional. */
  readonly optional: boolean
}

export interface FieldEntry {
  readonly name: string
  readonly at: number
  readonly value: Node
  readonly optional: boolean
}

/** An expression. `at` is where upstream reports its faults: an operator's sign, a call's parenthesis, a selection's dot. */
export type Node = { readonly at: number } & (
  | { readonly type: 'literal'; readonly literal: Literal }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'select'; readonly operand: Node; readonly field: string; readonly optional: boolean }
  /** has(operand.field) */
  | { readonly type: 'has'; readonly operand: Node; readonly field: string }
  | { readonly type: 'call'; readonly name: string; readonly target: Node | undefined; readonly args: readonly Node[] }
  | { readonly type: 'list'; readonly items: readonly { readonly node: Node; readonly optional: boolean }[] }
  | { readonly type: 'map'; readonly entries: readonly Entry[] }
  | { readonly type: 'struct'; readonly name: string; readonly fields: readonly FieldEntry[] }
  /** A call that binds variables for its arguments: list.all(x, x > 0). */
  | {
      readonly type: 'macro'
      readonly name: string
      readonly target: Node
      readonly variables: readonly string[]
      readonly args: readonly Node[]
    }
)

/** `a.b.c`; undefined of anything else. */
export function qualifiedName(node: Node): string | undefined {
  if (node.type === 'name') return node.name
  if (node.type !== 'select' || node.optional) return undefined
  const operand = qualifiedName(node.operand)
  return operand === undefined ? undefined : `${operand}.${node.field}`
}
