import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { joinChannels, streamTypesOf } from './channel-socket.ts'
import { dataFrames, type SpdyFrame, SpdyReader } from './spdy-frames.ts'

let server: WebSocketServer
let client: WebSocket
/** The runtime's end of its connection. */
let runtime: Duplex
let received: Buffer[]

beforeEach(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  received = []
  client.on('message', (message) => received.push(message as Buffer))
  const [socket] = (await accepted) as [WebSocket]
  const [ours, theirs] = duplexPair()
  runtime = theirs
  joinChannels(socket, ours, ['error', 'stdin', 'stdout'], Buffer.alloc(0))
  await once(client, 'message')
})
afterEach(() => {
  client.terminate()
  runtime.destroy()
  server.close()
})

/** What the runtime is told, to the first frame that meets `wanted`. */
async function told(wanted: (frame: SpdyFrame) => boolean): Promise<SpdyFrame[]> {
  const reader = new SpdyReader()
  const frames: SpdyFrame[] = []
  for await (const chunk of runtime) {
    frames.push(...reader.read(chunk as Buffer))
    if (frames.some(wanted)) break
  }
  return frames
}

test('the streams are those that the kubelet is asked for; a terminal has no stderr', () => {
  expect(streamTypesOf(new URLSearchParams('input=1&output=1&error=1'))).toEqual(['error', 'stdin', 'stdout', 'stderr'])
  expect(streamTypesOf(new URLSearchParams('input=1&output=1&error=1&tty=1'))).toEqual(['error', 'stdin', 'stdout', 'resize'])
})

test('the first message is empty and says that the connection stands', () => {
  expect(received).toEqual([Buffer.of(1)])
})

test('the close signal is the end of stdin; nothing comes after it', async () => {
  client.send(Buffer.from('\0typed'))
  client.send(Buffer.of(255, 0))
  client.send(Buffer.from('\0late'))
  const frames = await told((frame) => frame.type === 'data' && frame.isLast)
  expect(frames).toMatchObject([
    { streamId: 3, data: Buffer.from('typed'), isLast: false },
    { streamId: 3, data: Buffer.alloc(0), isLast: true },
  ])
})

test('output and status keep their order, and the end of the runtime closes the WebSocket', async () => {
  for (const frame of [...dataFrames(5, Buffer.from('out')), ...dataFrames(1, Buffer.from('{}'), true)]) runtime.write(frame)
  runtime.end()
  const [code] = (await once(client, 'close')) as [number]
  expect(code).toBe(1000)
  expect(received.slice(1).map(String)).toEqual(['\x01out', '\x03{}'])
})

test('a client that does not read holds the runtime back', async () => {
  client.pause()
  const chunk = Buffer.concat(dataFrames(5, Buffer.alloc(1 << 20)))
  let written = 0
  let isHeld = false
  while (!isHeld && written < 200) {
    written++
    if (runtime.write(chunk)) continue
    isHeld = await Promise.race([
      once(runtime, 'drain').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 300, true)),
    ])
  }
  expect(isHeld).toBe(true)
  client.resume()
  await once(runtime, 'drain')
  while (received.reduce((sum, { length }) => sum + length - 1, 0) < written << 20) await once(client, 'message')
})
