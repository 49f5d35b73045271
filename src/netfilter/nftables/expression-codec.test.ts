import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attributesIn, MessageWriter, messagesIn } from '../netlink/message.ts'
import { readExpressionList, writeExpressions } from './expression-codec.ts'
import type { Expression } from './expressions.ts'
import { chainFrom, counterFrom, elementsFrom, joinRanges, ruleFrom, setFrom, tableFrom } from './held.ts'
import { liveStep } from './live-trace.ts'
import { expressionArbitrary } from './testing/expression-arbitrary.ts'

function coded(expressions: readonly Expression[]): Buffer {
  const writer = new MessageWriter()
  const start = writer.begin(1, 1, 1, 2)
  writeExpressions(expressions, 4, writer)
  writer.end(start)
  return writer.bytes
}
const decoded = (bytes: Buffer): Expression[] => readExpressionList(messagesIn(bytes)[0]?.attributes.nested(4))

describe('expressions', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(expressionArbitrary, { maxLength: 5 }), (expressions) => {
        expect(decoded(coded(expressions))).toEqual(expressions)
      }),
    )
  })

  it('damaged anywhere are read as something else, or as not known', () => {
    fc.assert(
      fc.property(fc.array(expressionArbitrary, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), (expressions, at, byte) => {
        const bytes = coded(expressions)
        bytes[20 + (at % (bytes.length - 20))] = byte
        for (const expression of decoded(bytes)) expect(typeof expression.name).toBe('string')
      }),
    )
  })

  it('that are not known keep their names, those of iptables too', () => {
    const writer = new MessageWriter()
    const list = writer.nest(4)
    for (const [name, detail] of [
      ['quota', ''],
      ['match', 'addrtype'],
      ['toString', ''],
    ]) {
      const nest = writer.nest(1)
      writer.text(1, name as string)
      const data = writer.nest(2)
      if (detail !== '') writer.text(1, detail as string)
      writer.endNest(data)
      writer.endNest(nest)
    }
    writer.endNest(list)
    expect(readExpressionList(attributesIn(writer.bytes).nested(4))).toEqual([
      { name: 'unknown', what: 'quota' },
      { name: 'unknown', what: 'iptables match addrtype' },
      { name: 'unknown', what: 'toString' },
    ])
    expect(() => coded([{ name: 'unknown', what: 'quota' }])).toThrow('cannot be written')
  })
})

describe('dumps', () => {
  it('of any bytes are read without a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 400 }), (body) => {
        const bytes = Buffer.from(body)
        bytes.writeUInt32LE(bytes.length)
        for (const message of messagesIn(bytes)) {
          for (const read of [tableFrom, chainFrom, ruleFrom, setFrom, counterFrom, elementsFrom, liveStep]) read(message)
          expect(Array.isArray(joinRanges(elementsFrom(message)?.elements ?? []))).toBe(true)
        }
      }),
    )
  })
})
