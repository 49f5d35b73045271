/**
 * The instructions of a BPF program as data, with a word for each, after the kernel's "BPF Instruction Set Architecture" (RFC 9669). Only
 * those that our programs use.
 */

/** r0: results; r1 to r5: arguments, lost at each call; r6 to r9: kept; fp: the end of the 512 bytes of stack. */
export const registers = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8', 'r9', 'fp'] as const
export type Register = (typeof registers)[number]

/** A register, or a number of 32 bits with its sign. */
export type Operand = Register | number
/** How many bytes are read or written. */
export type Width = 1 | 2 | 4 | 8
export type Operator = '+=' | '-=' | '*=' | '|=' | '&=' | '<<=' | '>>='
export type Comparison = '==' | '!=' | '>' | '>=' | '<' | '<='

/** The kernel's functions that programs may call, by their numbers in include/uapi/linux/bpf.h. */
export const helpers = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  ktime_get_ns: 5,
  get_prandom_u32: 7,
  get_socket_cookie: 46,
  sk_storage_get: 107,
  get_netns_cookie: 122,
} as const
export type Helper = keyof typeof helpers

export type Instruction =
  | { readonly op: 'move'; readonly to: Register; readonly from: Operand }
  /** The lower half; the upper one becomes zero. */
  | { readonly op: 'move32'; readonly to: Register; readonly from: Operand }
  | { readonly op: 'alter'; readonly to: Register; readonly operator: Operator; readonly by: Operand }
  | { readonly op: 'load'; readonly width: Width; readonly to: Register; readonly base: Register; readonly offset: number }
  | { readonly op: 'store'; readonly width: Width; readonly base: Register; readonly offset: number; readonly from: Operand }
  /** Adds eight bytes in memory, whole even when several CPUs do so at once. */
  | { readonly op: 'atomicAdd'; readonly base: Register; readonly offset: number; readonly from: Register }
  | { readonly op: 'loadMap'; readonly to: Register; readonly map: string }
  | { readonly op: 'call'; readonly helper: Helper }
  | { readonly op: 'jump'; readonly to: string }
  | {
      readonly op: 'jumpIf'
      readonly left: Register
      readonly comparison: Comparison
      readonly right: Operand
      readonly to: string
    }
  | { readonly op: 'label'; readonly name: string }
  | { readonly op: 'exit' }

export const move = (to: Register, from: Operand): Instruction => ({ op: 'move', to, from })
export const move32 = (to: Register, from: Operand): Instruction => ({ op: 'move32', to, from })
export const alter = (to: Register, operator: Operator, by: Operand): Instruction => ({ op: 'alter', to, operator, by })
export const load = (width: Width, to: Register, base: Register, offset: number): Instruction => ({ op: 'load', width, to, base, offset })
export const store = (width: Width, base: Register, offset: number, from: Operand): Instruction => ({
  op: 'store',
  width,
  base,
  offset,
  from,
})
export const atomicAdd = (base: Register, offset: number, from: Register): Instruction => ({ op: 'atomicAdd', base, offset, from })
export const loadMap = (to: Register, map: string): Instruction => ({ op: 'loadMap', to, map })
export const call = (helper: Helper): Instruction => ({ op: 'call', helper })
export const jump = (to: string): Instruction => ({ op: 'jump', to })
export const jumpIf = (left: Register, comparison: Comparison, right: Operand, to: string): Instruction => ({
  op: 'jumpIf',
  left,
  comparison,
  right,
  to,
})
export const label = (name: string): Instruction => ({ op: 'label', name })
export const exit: Instruction = { op: 'exit' }

const place = (base: Register, offset: number): string => `${base} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)}`
const cType = (width: Width): string => `u${width * 8}`

function instructionText(instruction: Instruction): string {
  switch (instruction.op) {
    case 'move':
      return `${instruction.to} = ${instruction.from}`
    case 'move32':
      return `${instruction.to} = (u32) ${instruction.from}`
    case 'alter':
      return `${instruction.to} ${instruction.operator} ${instruction.by}`
    case 'load':
      return `${instruction.to} = *(${cType(instruction.width)} *)(${place(instruction.base, instruction.offset)})`
    case 'store':
      return `*(${cType(instruction.width)} *)(${place(instruction.base, instruction.offset)}) = ${instruction.from}`
    case 'atomicAdd':
      return `lock *(u64 *)(${place(instruction.base, instruction.offset)}) += ${instruction.from}`
    case 'loadMap':
      return `${instruction.to} = map ${instruction.map}`
    case 'call':
      return `call ${instruction.helper}`
    case 'jump':
      return `goto ${instruction.to}`
    case 'jumpIf':
      return `if ${instruction.left} ${instruction.comparison} ${instruction.right} goto ${instruction.to}`
    case 'label':
      return `${instruction.name}:`
    case 'exit':
      return 'exit'
  }
}

/** A program as people read it, in the manner of the verifier's own listings. */
export function listing(program: readonly Instruction[]): string {
  return program.map((instruction) => `${instruction.op === 'label' ? '' : '  '}${instructionText(instruction)}\n`).join('')
}
