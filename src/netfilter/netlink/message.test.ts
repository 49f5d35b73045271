import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attributesIn, MessageWriter, messagesIn } from './message.ts'

describe('messages', () => {
  it('are read as they were written', () => {
    const writer = new MessageWriter(16)
    const start = writer.begin(0xa09, 0x401, 7, 2, 10)
    writer.text(1, 'ownkube')
    const nest = writer.nest(4)
    writer.u8(1, 200)
    writer.u16(2, 8080)
    writer.u32(3, -3)
    writer.u64(4, 10_800_000)
    writer.raw(5, '\x00\xff\x10')
    writer.endNest(nest)
    writer.end(start)
    const [message, ...more] = messagesIn(writer.bytes)
    expect(more).toEqual([])
    expect(message).toMatchObject({ type: 0xa09, flags: 0x401, sequence: 7, family: 2, resource: 10 })
    expect(message?.attributes.text(1)).toBe('ownkube')
    const inner = message?.attributes.nested(4)
    expect([inner?.u8(1), inner?.u16(2), inner?.u32(3), inner?.u64(4), inner?.raw(5)]).toEqual([
      200,
      8080,
      0xfffffffd,
      10_800_000,
      '\x00\xff\x10',
    ])
    expect([inner?.u32(9), inner?.text(9), inner?.nested(9), inner?.u64(1)]).toEqual([undefined, undefined, undefined, undefined])
  })

  it('of any bytes are read without a fault, and no further than they go', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const buffer = Buffer.from(bytes)
        const length = messagesIn(buffer).reduce((sum, message) => sum + message.bytes.length, 0)
        expect(length).toBeLessThanOrEqual(buffer.length)
        for (const { payload } of attributesIn(buffer).list) expect(payload.length).toBeLessThanOrEqual(buffer.length - 4)
      }),
    )
  })

  it('cut short anywhere are left out', () => {
    const writer = new MessageWriter()
    const start = writer.begin(1, 1, 1, 2)
    writer.text(1, 'name')
    writer.end(start)
    for (let length = 0; length < writer.length; length++) expect(messagesIn(writer.bytes.subarray(0, length))).toEqual([])
  })
})
