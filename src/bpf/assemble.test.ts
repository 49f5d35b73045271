import { describe, expect, test } from 'vitest'
import { assemble } from './assemble.ts'
import {
  alter,
  atomicAdd,
  call,
  exit,
  type Instruction,
  jump,
  jumpIf,
  label,
  listing,
  load,
  loadMap,
  move,
  move32,
  store,
} from './instructions.ts'

const bytes = (...program: Instruction[]): string =>
  Buffer.from(assemble(program, { services: 7 }))
    .toString('hex')
    .replaceAll(/(.{16})(?=.)/g, '$1 ')

describe('assemble', () => {
  // As the kernel's "BPF Instruction Set Architecture" has them: opcode, source and destination, offset, immediate.
  test.each<[Instruction, string]>([
    [move('r6', 'r1'), 'bf16000000000000'],
    [move('r0', 1), 'b700000001000000'],
    [move32('r0', 'r0'), 'bc00000000000000'],
    [alter('r2', '+=', -24), '07020000e8ffffff'],
    [alter('r0', '*=', 'r1'), '2f10000000000000'],
    [alter('r0', '>>=', 32), '7700000020000000'],
    [load(4, 'r1', 'r6', 36), '6161240000000000'],
    [load(8, 'r2', 'fp', -8), '79a2f8ff00000000'],
    [load(2, 'r1', 'r0', 16), '6901100000000000'],
    [load(1, 'r1', 'r0', 18), '7101120000000000'],
    [store(8, 'fp', -24, 'r0'), '7b0ae8ff00000000'],
    [store(4, 'fp', -16, -0x10000), '620af0ff0000ffff'],
    [store(2, 'fp', -6, 0), '6a0afaff00000000'],
    [store(1, 'fp', -6, 'r1'), '731afaff00000000'],
    [atomicAdd('r0', 0, 'r1'), 'db10000000000000'],
    [loadMap('r1', 'services'), '1811000007000000 0000000000000000'],
    [call('map_lookup_elem'), '8500000001000000'],
    [exit, '9500000000000000'],
  ])('%o', (instruction, expected) => {
    expect(bytes(instruction)).toBe(expected)
  })

  test('jumps are counted from behind them, a map taking two places and a label none', () => {
    const program = [
      jumpIf('r0', '==', 0, 'end'),
      loadMap('r1', 'services'),
      jumpIf('r1', '>', 'r2', 'end'),
      jump('end'),
      move('r0', 0),
      label('end'),
      exit,
    ]
    expect(bytes(...program).split(' ')).toEqual([
      '1500050000000000',
      '1811000007000000',
      '0000000000000000',
      '2d21020000000000',
      '0500010000000000',
      'b700000000000000',
      '9500000000000000',
    ])
  })

  test('backwards too', () => {
    expect(bytes(label('again'), move('r0', 0), jump('again'))).toBe('b700000000000000 0500feff00000000')
  })

  test('what is not there is refused by its name', () => {
    expect(() => assemble([jump('nowhere')], {})).toThrow('there is no label nowhere')
    expect(() => assemble([loadMap('r1', 'nothing')], {})).toThrow('there is no map nothing')
    expect(() => assemble([label('here'), label('here')], {})).toThrow('label here is there twice')
  })
})

test('a program reads as text', () => {
  const program = [move('r6', 'r1'), load(4, 'r1', 'r6', 36), jumpIf('r1', '!=', 6, 'end'), store(8, 'fp', -8, 'r1'), label('end'), exit]
  expect(listing(program)).toBe(
    `  r6 = r1
  r1 = *(u32 *)(r6 + 36)
  if r1 != 6 goto end
  *(u64 *)(fp - 8) = r1
end:
  exit
`,
  )
})
