import type { WebSocket } from 'ws'
import type { Clock } from '../../host/clock.ts'

const pingEveryMs = 30_000

/**
 * Pings the client while its socket is open: what lies between lets no quiet connection die, and TCP finds out whether the other
 * end is still there. Nobody is cut off for an answer that does not come: a client that does not read for a while, such as
 * `kubectl exec ... | less`, answers no ping either.
 */
export function keepAlive(socket: Pick<WebSocket, 'ping' | 'once' | 'readyState' | 'OPEN'>, clock: Pick<Clock, 'after'>): void {
  let cancel = (): void => {}
  const schedule = (): void => {
    cancel = clock.after(pingEveryMs, () => {
      if (socket.readyState !== socket.OPEN) return
      socket.ping()
      schedule()
    })
  }
  schedule()
  socket.once('close', () => cancel())
}
