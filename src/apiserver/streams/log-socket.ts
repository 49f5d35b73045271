import { acceptSocket, type ListeningClient, written } from './listening-socket.ts'

const binaryProtocol = 'binary.k8s.io'
/** For those who can take texts only. */
const base64Protocol = 'base64.binary.k8s.io'

/** Bytes that may wait for a slow client before the log is read no further. */
const highWater = 1 << 20

/** Carries a log over a WebSocket, a piece a message. Resolves when the log ends or nobody listens any more. */
export async function serveLogSocket(asking: ListeningClient, log: AsyncIterable<Uint8Array>): Promise<void> {
  const client = await acceptSocket(asking, (offered) => [binaryProtocol, base64Protocol].find((one) => offered.has(one)) ?? false)
  for await (const piece of log) {
    if (!client || client.readyState !== client.OPEN) break
    if (client.protocol === base64Protocol) client.send(Buffer.from(piece).toString('base64'), { binary: false })
    else client.send(piece, { binary: true })
    if (client.bufferedAmount > highWater) await written(client)
  }
  client?.close(1000)
}
