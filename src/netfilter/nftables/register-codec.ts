import type { Attributes, MessageWriter } from '../netlink/message.ts'
import type { Expression, Register } from './expressions.ts'

/** Encoding and decoding of {@link Expression}s. Each kind is one row: its writer and its reader side by side. */
export interface Codec<E extends Expression> {
  write(expression: E, to: MessageWriter): void
  /** Undefined where an attribute is missing or says something that {@link Expression} has no words for. */
  read(from: Attributes): E | undefined
}

/** The kernel gives the first of four registers its older, 128-bit name. */
export function registerNumber(register: Register): number {
  if (!Number.isInteger(register) || register < 0 || register > 15) throw new Error(`no such register: ${register}`)
  return register % 4 === 0 ? 1 + register / 4 : 8 + register
}

export function register(from: Attributes, type: number): Register | undefined {
  const number = from.u32(type)
  if (number === undefined) return undefined
  if (number >= 1 && number <= 4) return (number - 1) * 4
  return number >= 8 && number <= 23 ? number - 8 : undefined
}
