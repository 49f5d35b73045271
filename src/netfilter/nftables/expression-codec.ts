import { type Attributes, attributesIn, type MessageWriter } from '../netlink/message.ts'
import { actCodecs } from './act-codecs.ts'
import { compareCodecs } from './compare-codecs.ts'
import type { Expression, ExpressionOf } from './expressions.ts'
import { loadCodecs } from './load-codecs.ts'
import * as numbers from './numbers.ts'
import { type Codec, register, registerNumber } from './register-codec.ts'

const dynsetOps = ['add', 'update', 'delete'] as const

/** Holds an expression itself, and so stands here. */
const dynset: Codec<ExpressionOf<'dynset'>> = {
  write(e, to) {
    to.text(1, e.set)
    to.u32(3, dynsetOps.indexOf(e.op))
    to.u32(4, registerNumber(e.key))
    if (e.data !== undefined) to.u32(5, registerNumber(e.data))
    if (e.timeoutMs !== undefined) to.u64(6, e.timeoutMs)
    const [each, ...more] = e.each ?? []
    if (each === undefined) return
    if (more.length > 0) throw new Error('one expression at most is kept with each element')
    to.u32(9, 2) // NFT_DYNSET_F_EXPR
    const nest = to.nest(7)
    writeExpression(each, to)
    to.endNest(nest)
  },
  read(from) {
    const [set, op, key] = [from.text(1), dynsetOps[from.u32(3) ?? -1], register(from, 4)]
    if (set === undefined || op === undefined || key === undefined || ((from.u32(9) ?? 0) & 1) !== 0) return undefined
    const [data, timeoutMs] = [register(from, 5), from.u64(6)]
    const one = from.nested(7)
    const each = one === undefined ? readExpressionList(from.nested(10)) : [readExpression(one)]
    return {
      name: 'dynset',
      op,
      set,
      key,
      ...(data === undefined ? {} : { data }),
      ...(timeoutMs === undefined || timeoutMs === 0 ? {} : { timeoutMs }),
      ...(each.length === 0 ? {} : { each }),
    }
  },
}

const codecs: { [Name in Exclude<Expression['name'], 'unknown'>]: Codec<ExpressionOf<Name>> } = {
  ...loadCodecs,
  ...compareCodecs,
  ...actCodecs,
  dynset,
}

export function writeExpressions(expressions: readonly Expression[], type: number, to: MessageWriter): void {
  const list = to.nest(type)
  for (const expression of expressions) {
    const nest = to.nest(numbers.listElem)
    writeExpression(expression, to)
    to.endNest(nest)
  }
  to.endNest(list)
}

/** An expression's own attributes, for where the list element around it has another type. */
export function writeExpression(expression: Expression, to: MessageWriter): void {
  if (expression.name === 'unknown') throw new Error(`cannot be written, only read: ${expression.what}`)
  to.text(numbers.expr.name, expression.name)
  const nest = to.nest(numbers.expr.data)
  ;(codecs[expression.name] as Codec<Expression>).write(expression, to)
  to.endNest(nest)
}

export function readExpressionList(from: Attributes | undefined): Expression[] {
  return (from?.list ?? []).map(({ payload }) => readExpression(attributesIn(payload)))
}

export function readExpression(from: Attributes): Expression {
  const name = from.text(numbers.expr.name) ?? 'an expression without a name'
  const attributes = from.nested(numbers.expr.data) ?? attributesIn(Buffer.alloc(0))
  const codec = Object.hasOwn(codecs, name) ? (codecs[name as keyof typeof codecs] as Codec<Expression>) : undefined
  return codec?.read(attributes) ?? { name: 'unknown', what: unknownText(name, attributes) }
}

/** iptables' own matches and targets, inside nftables rules that iptables-nft wrote, tell their names. */
function unknownText(name: string, attributes: Attributes): string {
  return name === 'match' || name === 'target' ? `iptables ${name} ${attributes.text(1) ?? ''}`.trim() : name
}
