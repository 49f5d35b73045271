import {
  type Comparison,
  helpers,
  type Instruction,
  type Operand,
  type Operator,
  type Register,
  registers,
  type Width,
} from './instructions.ts'

/** One slot of eight bytes: opcode, two registers, an offset and an immediate number. */
interface Slot {
  readonly opcode: number
  readonly to?: Register
  readonly from?: Register | number
  readonly offset?: number
  readonly immediate?: number
}

const slotBytes = 8
const classes = { loadImmediate: 0x00, load: 0x01, store: 0x02, storeRegister: 0x03, alu32: 0x04, jump: 0x05, alu64: 0x07 } as const
/** Added where the operand is a register. */
const fromRegister = 0x08
const modeMemory = 0x60
const modeAtomic = 0xc0
const widths: Readonly<Record<Width, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 }
const operators: Readonly<Record<Operator, number>> = {
  '+=': 0x00,
  '-=': 0x10,
  '*=': 0x20,
  '|=': 0x40,
  '&=': 0x50,
  '<<=': 0x60,
  '>>=': 0x70,
}
const moveOperator = 0xb0
const comparisons: Readonly<Record<Comparison, number>> = { '==': 0x10, '>': 0x20, '>=': 0x30, '!=': 0x50, '<': 0xa0, '<=': 0xb0 }
/** In the place of the source register: the number is a map's file descriptor. */
const pseudoMapFd = 1

/** Loading a map takes two slots, a label none. */
const slotsOf = (instruction: Instruction): number => (instruction.op === 'label' ? 0 : instruction.op === 'loadMap' ? 2 : 1)

/** The bytes that bpf(BPF_PROG_LOAD) takes. `maps`: file descriptors by name. Throws on a label or map that is not there. */
export function assemble(program: readonly Instruction[], maps: Readonly<Record<string, number>>): Uint8Array {
  const labels = labelsOf(program)
  const slots: Slot[] = []
  for (const instruction of program) slots.push(...encode(instruction, slots.length, labels, maps))
  const bytes = new DataView(new ArrayBuffer(slots.length * slotBytes))
  slots.forEach(({ opcode, to = 'r0', from = 0, offset = 0, immediate = 0 }, i) => {
    const source = typeof from === 'number' ? from : registers.indexOf(from)
    bytes.setUint8(i * slotBytes, opcode)
    bytes.setUint8(i * slotBytes + 1, registers.indexOf(to) | (source << 4))
    bytes.setInt16(i * slotBytes + 2, offset, true)
    bytes.setInt32(i * slotBytes + 4, immediate, true)
  })
  return new Uint8Array(bytes.buffer)
}

function labelsOf(program: readonly Instruction[]): ReadonlyMap<string, number> {
  const labels = new Map<string, number>()
  let at = 0
  for (const instruction of program) {
    if (instruction.op === 'label') {
      if (labels.has(instruction.name)) throw new Error(`label ${instruction.name} is there twice`)
      labels.set(instruction.name, at)
    }
    at += slotsOf(instruction)
  }
  return labels
}

function encode(
  instruction: Instruction,
  at: number,
  labels: ReadonlyMap<string, number>,
  maps: Readonly<Record<string, number>>,
): readonly Slot[] {
  switch (instruction.op) {
    case 'label':
      return []
    case 'move':
      return [{ opcode: classes.alu64 | moveOperator, to: instruction.to, ...operandOf(instruction.from) }].map(registerForm)
    case 'move32':
      return [{ opcode: classes.alu32 | moveOperator, to: instruction.to, ...operandOf(instruction.from) }].map(registerForm)
    case 'alter':
      return [{ opcode: classes.alu64 | operators[instruction.operator], to: instruction.to, ...operandOf(instruction.by) }].map(
        registerForm,
      )
    case 'load':
      return [
        {
          opcode: classes.load | modeMemory | widths[instruction.width],
          to: instruction.to,
          from: instruction.base,
          offset: instruction.offset,
        },
      ]
    case 'store': {
      const kind = typeof instruction.from === 'number' ? classes.store : classes.storeRegister
      const { width, base, offset } = instruction
      return [{ opcode: kind | modeMemory | widths[width], to: base, ...operandOf(instruction.from), offset }]
    }
    case 'atomicAdd':
      return [
        {
          opcode: classes.storeRegister | modeAtomic | widths[8],
          to: instruction.base,
          from: instruction.from,
          offset: instruction.offset,
        },
      ]
    case 'loadMap': {
      const fd = maps[instruction.map]
      if (fd === undefined) throw new Error(`there is no map ${instruction.map}`)
      return [{ opcode: classes.loadImmediate | widths[8], to: instruction.to, from: pseudoMapFd, immediate: fd }, { opcode: 0 }]
    }
    case 'call':
      return [{ opcode: classes.jump | 0x80, immediate: helpers[instruction.helper] }]
    case 'jump':
      return [{ opcode: classes.jump, offset: distance(instruction.to, at, labels) }]
    case 'jumpIf':
      return [
        {
          opcode: classes.jump | comparisons[instruction.comparison],
          to: instruction.left,
          ...operandOf(instruction.right),
          offset: distance(instruction.to, at, labels),
        },
      ].map(registerForm)
    case 'exit':
      return [{ opcode: classes.jump | 0x90 }]
  }
}

const operandOf = (operand: Operand): Pick<Slot, 'from' | 'immediate'> =>
  typeof operand === 'number' ? { immediate: operand } : { from: operand }

/** What computes or compares with a register says so in its opcode. */
const registerForm = (slot: Slot): Slot => (slot.from === undefined ? slot : { ...slot, opcode: slot.opcode | fromRegister })

/** Counted from the slot behind the jump. */
function distance(name: string, at: number, labels: ReadonlyMap<string, number>): number {
  const target = labels.get(name)
  if (target === undefined) throw new Error(`there is no label ${name}`)
  return target - at - 1
}
