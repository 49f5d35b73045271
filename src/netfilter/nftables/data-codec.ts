import type { Attributes, Bytes, MessageWriter } from '../netlink/message.ts'
import type { Verdict } from './expressions.ts'
import * as numbers from './numbers.ts'

/** Values and verdicts, as expressions and elements hold them. */
export function writeData(to: MessageWriter, type: number, value: Bytes): void {
  const nest = to.nest(type)
  to.raw(numbers.data.value, value)
  to.endNest(nest)
}

export const dataValue = (from: Attributes, type: number): Bytes | undefined => from.nested(type)?.raw(numbers.data.value)

const verdictCodes = { drop: 0, accept: 1, queue: 3, continue: -1, break: -2, jump: -3, goto: -4, return: -5 } as const

export function writeVerdictData(to: MessageWriter, type: number, verdict: Verdict): void {
  const around = to.nest(type)
  const nest = to.nest(numbers.data.verdict)
  if (typeof verdict === 'string') to.u32(numbers.verdict.code, verdictCodes[verdict])
  else {
    to.u32(numbers.verdict.code, 'jump' in verdict ? verdictCodes.jump : verdictCodes.goto)
    to.text(numbers.verdict.chain, 'jump' in verdict ? verdict.jump : verdict.goto)
  }
  to.endNest(nest)
  to.endNest(around)
}

export const dataVerdict = (from: Attributes, type: number): Verdict | undefined => readVerdict(from.nested(type), numbers.data.verdict)

export function readVerdict(from: Attributes | undefined, type: number): Verdict | undefined {
  const verdict = from?.nested(type)
  const number = verdict?.u32(numbers.verdict.code)
  if (verdict === undefined || number === undefined) return undefined
  const chain = verdict.text(numbers.verdict.chain) ?? ''
  // The upper half of a queue's verdict is the queue.
  const code = number | 0
  if (code === verdictCodes.jump) return { jump: chain }
  if (code === verdictCodes.goto) return { goto: chain }
  const name = Object.entries(verdictCodes).find(([, value]) => value === (code > 0 ? code & 0xff : code))?.[0]
  return name as Exclude<Verdict, object> | undefined
}
