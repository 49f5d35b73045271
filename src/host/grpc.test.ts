import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { GrpcChannel } from './grpc.ts'

const framed = (text: string): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(Buffer.byteLength(text), 1)
  return Buffer.concat([head, Buffer.from(text)])
}

const channelTo = (socket: string): GrpcChannel => {
  const open = () => http2.connect('http://localhost', { createConnection: () => net.connect(socket) })
  return new GrpcChannel({ open, peer: socket, clock: systemClock, maxMessageBytes: 1 << 20, ping: { everyMs: 50, withinMs: 50 } })
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
  channel = channelTo(socket)
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

describe('gRPC over HTTP/2', () => {
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
    for await (const part of channel.stream('/lasts', [], { signal: stop.signal })) {
      seen.push(Buffer.from(part).toString())
      if (seen.length === 2) stop.abort()
    }
    expect(seen).toEqual(['a', 'b'])
    const broken = async () => {
      for await (const _ of channel.stream('/breaks', [], { signal: new AbortController().signal }));
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

  test('messages go both ways on one stream', async () => {
    answer = (stream) => {
      stream.respond({ ':status': 200 })
      stream.on('data', (chunk: Buffer) => stream.write(framed(`${chunk.subarray(5)}!`)))
    }
    const stop = new AbortController()
    const heard: string[] = []
    async function* sent() {
      for (const word of ['a', 'b']) {
        yield Buffer.from(word)
        while (heard.length === 0) await systemClock.sleep(1)
      }
    }
    for await (const part of channel.stream('/talk', sent(), { signal: stop.signal })) {
      heard.push(Buffer.from(part).toString())
      if (heard.length === 2) stop.abort()
    }
    expect(heard).toEqual(['a!', 'b!'])
  })

  test('a peer that answers pings no more is given up', async () => {
    const taken: net.Socket[] = []
    // It takes connections and stays silent, as a process does that was stopped.
    const silent = net.createServer((socket) => taken.push(socket)).listen(join(directory, 'silent'))
    const stopped = channelTo(join(directory, 'silent'))
    await stopped.ready(1000)
    await expect(stopped.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code: 'Unavailable' })
    for (const socket of taken) socket.destroy()
    silent.close()
  })

  test('no server, and a closed channel', async () => {
    const nowhere = channelTo(join(directory, 'none'))
    await expect(nowhere.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code: 'Unavailable' })
    await expect(nowhere.ready(1000)).rejects.toMatchObject({ code: 'Unavailable' })
    nowhere.close()
    await expect(nowhere.unary('/s/m', Buffer.alloc(0))).rejects.toMatchObject({ code: 'Canceled' })
  })
})
