import type { ApiWatchEvent } from '../../machinery/api-request.ts'
import { watchBytes } from '../answer-bytes.ts'
import { acceptSocket, type ListeningClient, written } from './listening-socket.ts'

/** Bytes that may wait for a slow client before it is sent no more. */
const highWater = 1 << 20

/** Tells a watch over a WebSocket: an event a message, as text, or as bytes where protobuf is spoken. Resolves when it ends. */
export async function serveWatchSocket(
  asking: ListeningClient,
  batches: AsyncIterable<readonly ApiWatchEvent[]>,
  encode: ((event: ApiWatchEvent) => Buffer) | undefined,
): Promise<void> {
  const client = await acceptSocket(asking, (offered) => [...offered][0] ?? false)
  for await (const batch of batches) {
    if (!client || client.readyState !== client.OPEN) break
    for (const event of batch) client.send(encode ? encode(event) : watchBytes([event]), { binary: encode !== undefined })
    if (client.bufferedAmount > highWater) await written(client)
  }
  client?.close(1000)
}
