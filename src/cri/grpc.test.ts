import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { GrpcChannel } from './grpc.ts'

const framed = (text: string): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(Buffer.byteLength(text), 1)
  return Buffer.concat([head, Buffer.from(text)])
}

let directory: string
let server: http2.Http2Server
let channel: GrpcChannel
let answer: (stream: http2.ServerHttp2Stream, path: string) => void
const sessions = new Set<http2.ServerHttp2Session>()

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'grpc-'))
  const socket = join(directory, 's')
  server = http2.createServer()
  server.on('session', (session) => sessions.add(session.on('close', () => sessions.delete(session))))
  server.on('stream', (stream, headers) =>
    answer(
      stream.on('error', () => {}),
      String(headers[':path']),
    ),
  )
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  channel = new GrpcChannel({ socket, clock: systemClock })
})
afterEach(async () => {
  channel.close()
  for (const session of sessions) session.destroy()
  await new Promise((resolve) => server.close(resolve))
  rmSync(directory, { recursive: true })
})

function respond(stream: http2.ServerHttp2Stream, parts: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  for (const part of parts) stream.write(part)
  stream.end()
}

describe('gRPC over a unix socket', () => {
  test('a call, its message split over packets', async () => {
    const whole = framed('hello')
    answer = (stream) => respond(stream, [whole.subarray(0, 3), whole.subarray(3, 7), whole.subarray(7)], { 'grpc-status': '0' })
    expect(Buffer.from(await channel.unary('/s/m', Buffer.from('x'))).toString()).toBe('hello')
  })

  test.each([
    ['5', 'no%20such%20caf%C3%A9 100%', 'NotFound', 'no such café 100%'],
    ['12', 'unknown', 'Unimplemented', 'unknown'],
    ['77', 'odd', 'Unknown', 'odd'],
  ])('status %s is an error by its name', async (status, text, code, message) => {
    answer = (stream) => stream.respond({ ':status': 200, 'grpc-status': status, 'grpc-message': text }, { endStream: true })
    await expect(channel.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code, message })
  })

  test('a stream of messages ends with its signal, or throws when the server goes', async () => {
    answer = (stream, path) => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.concat([framed('a'), framed('b')]))
      if (path === '/breaks') setTimeout(() => stream.session?.destroy(), 20)
    }
    const stop = new AbortController()
    const seen: string[] = []
    for await (const part of channel.stream('/lasts', Buffer.alloc(0), { signal: stop.signal })) {
      seen.push(Buffer.from(part).toString())
      if (seen.length === 2) stop.abort()
    }
    expect(seen).toEqual(['a', 'b'])
    const broken = async () => {
      for await (const _ of channel.stream('/breaks', Buffer.alloc(0), { signal: new AbortController().signal }));
    }
    await expect(broken()).rejects.toMatchObject({ code: 'Unavailable' })
  })

  test('a call that takes too long', async () => {
    answer = () => {}
    await expect(channel.unary('/s/slow', Buffer.alloc(0), { timeoutMs: 30 })).rejects.toMatchObject({ code: 'DeadlineExceeded' })
  })

  test('after a lost connection the next call connects anew', async () => {
    answer = (stream) => stream.session?.destroy()
    await expect(channel.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code: 'Unavailable' })
    answer = (stream) => respond(stream, [framed('back')], { 'grpc-status': '0' })
    expect(Buffer.from(await channel.unary('/s/m', Buffer.alloc(0))).toString()).toBe('back')
  })

  test('no server, and a closed channel', async () => {
    const nowhere = new GrpcChannel({ socket: join(directory, 'none'), clock: systemClock })
    await expect(nowhere.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code: 'Unavailable' })
    nowhere.close()
    await expect(nowhere.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code: 'Canceled' })
  })
})
