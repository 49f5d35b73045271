import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { dataFrames, pingFrame, SpdyReader, synStream } from './spdy-frames.ts'

/** The channels of v5.channel.k8s.io, which are the first byte of each message. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const
type StreamType = keyof typeof channels
/** A message on this channel names another that ends: the end of stdin, which older protocols could not tell. */
const closeChannel = 255

/** Bytes that may wait for a slow client before the runtime is made to wait. */
const highWater = 1 << 20
const lowWater = highWater / 4

/** The streams of an exec or attach, by the query that the kubelet is asked with. */
export function streamTypesOf(query: URLSearchParams): StreamType[] {
  const tty = query.has('tty')
  const asked: readonly (readonly [StreamType, boolean])[] = [
    ['error', true],
    ['stdin', query.has('input')],
    ['stdout', query.has('output')],
    ['stderr', query.has('error') && !tty],
    ['resize', tty],
  ]
  return asked.filter(([, isAsked]) => isAsked).map(([type]) => type)
}

/**
 * Carries an exec or attach between a client's WebSocket (v5.channel.k8s.io) and the runtime's SPDY connection (v4, which says
 * the same). Who reads slowly holds the other end back. Closes either with the other.
 */
export function joinChannels(socket: WebSocket, runtime: Duplex, types: readonly StreamType[], head: Buffer): void {
  const idOf = new Map(types.map((type, index) => [channels[type] as number, 2 * index + 1]))
  const channelOf = new Map([...idOf].map(([channel, id]) => [id, channel]))
  types.forEach((type, index) => {
    runtime.write(synStream(2 * index + 1, { streamtype: type }, index === 0))
  })
  fromClient(socket, runtime, idOf)
  fromRuntime(socket, runtime, channelOf, head)
  // An empty message says that the connection stands.
  const greeted = types.find((type) => type === 'stdout' || type === 'stderr') ?? 'error'
  socket.send(Buffer.of(channels[greeted]))
}

function fromClient(socket: WebSocket, runtime: Duplex, idOf: ReadonlyMap<number, number>): void {
  const ended = new Set<number>()
  const isOpen = (channel: number | undefined): channel is number =>
    (channel === channels.stdin || channel === channels.resize) && idOf.has(channel) && !ended.has(channel)
  socket.on('message', (message) => {
    const bytes = message as Buffer
    const channel = bytes[0] === closeChannel ? bytes[1] : bytes[0]
    if (!isOpen(channel)) return
    const ends = bytes[0] === closeChannel
    if (ends) ended.add(channel)
    let flows = true
    for (const part of dataFrames(idOf.get(channel) as number, ends ? Buffer.alloc(0) : bytes.subarray(1), ends))
      flows = runtime.write(part)
    if (!flows) socket.pause()
  })
  runtime.on('drain', () => socket.resume())
  socket.on('error', () => runtime.destroy()) // what breaks the protocol; ws has told the client
  socket.once('close', () => runtime.destroy())
}

function fromRuntime(socket: WebSocket, runtime: Duplex, channelOf: ReadonlyMap<number, number>, head: Buffer): void {
  const reader = new SpdyReader()
  const sent = (): void => {
    if (socket.bufferedAmount <= lowWater) runtime.resume()
  }
  const take = (chunk: Buffer): void => {
    for (const frame of reader.read(chunk)) {
      if (frame.type === 'ping') runtime.write(pingFrame(frame.id))
      const channel = frame.type === 'data' ? channelOf.get(frame.streamId) : undefined
      if (frame.type !== 'data' || channel === undefined || frame.data.length === 0 || socket.readyState !== socket.OPEN) continue
      socket.send(Buffer.concat([Buffer.of(channel), frame.data]), sent)
    }
    if (socket.bufferedAmount > highWater) runtime.pause()
  }
  const guarded = (chunk: Buffer): void => {
    try {
      take(chunk)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      runtime.destroy()
    }
  }
  runtime.once('error', () => socket.close(1011, 'the stream to the container broke off'))
  runtime.once('end', () => socket.close(1000))
  runtime.once('close', () => socket.close(1000))
  guarded(head)
  runtime.on('data', guarded)
}
