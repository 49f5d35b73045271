import { createInflate } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dataFrames, pingFrame, type SpdyFrame, SpdyReader, synStream } from './spdy-frames.ts'

/** What a reader finds in bytes that come in pieces of this size; data of one stream in a row as one. */
function readIn(bytes: Buffer, size: number): SpdyFrame[] {
  const reader = new SpdyReader()
  const frames: SpdyFrame[] = []
  for (let at = 0; at < bytes.length; at += size) frames.push(...reader.read(bytes.subarray(at, at + size)))
  return frames
}

test('what is written is read, however it is cut', () => {
  const streams = fc.array(fc.record({ streamId: fc.integer({ min: 1, max: 0x7fffffff }), data: fc.uint8Array({ maxLength: 300 }) }))
  fc.assert(
    fc.property(streams, fc.integer({ min: 1, max: 40 }), (sent, size) => {
      const bytes = Buffer.concat(
        sent.flatMap(({ streamId, data }, at) => [...dataFrames(streamId, Buffer.from(data), true), pingFrame(at)]),
      )
      const read = readIn(bytes, size)
      expect(read.filter(({ type }) => type === 'ping')).toHaveLength(sent.length)
      const ends = read.filter((frame) => frame.type === 'data' && frame.isLast)
      expect(ends.map((frame) => (frame.type === 'data' ? frame.streamId : 0))).toEqual(sent.map(({ streamId }) => streamId))
      const data = read.flatMap((frame) => (frame.type === 'data' ? [frame.data] : []))
      expect(Buffer.concat(data)).toEqual(Buffer.concat(sent.map((one) => one.data)))
    }),
  )
})

test('much data goes in frames of 64 KiB, of which the last one ends the stream', () => {
  const data = Buffer.alloc(150_000, 'x')
  const frames = dataFrames(5, data, true)
  expect(frames.filter((_, at) => at % 2 === 1).map(({ length }) => length)).toEqual([65536, 65536, 18928])
  expect(frames.filter((_, at) => at % 2 === 0).map((head) => head[4])).toEqual([0, 0, 1])
  expect(readIn(Buffer.concat(dataFrames(5, Buffer.alloc(0), true)), 3)).toEqual([
    { type: 'data', streamId: 5, data: Buffer.alloc(0), isLast: true },
  ])
})

test('the header blocks of a connection are one zlib stream', async () => {
  const blocks = [synStream(1, { streamtype: 'error' }, true), synStream(3, { streamtype: 'stdin' }, false)].map((one) => one.subarray(18))
  const inflate = createInflate()
  const parts: Buffer[] = []
  inflate.on('data', (part: Buffer) => parts.push(part))
  for (const block of blocks) await new Promise((resolve) => inflate.write(block, resolve))
  await new Promise<void>((resolve) => inflate.flush(resolve))
  expect(Buffer.concat(parts).toString('latin1')).toBe(
    '\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05error\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05stdin',
  )
})

test('a control frame of more than a megabyte is refused, before it is there', () => {
  expect(() => readIn(Buffer.of(0x80, 3, 0, 4, 0, 0xff, 0xff, 0xff), 8)).toThrow(RangeError)
})
