import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** For `::`: leave 0.0.0.0 to others. */
  readonly ipv6Only?: boolean
}

/** Answers a path and is done, or says that it knows no such path. */
export type Answer = (path: string, response: ServerResponse) => boolean

/** An HTTP server that runs. */
export interface Listener {
  close(): Promise<void>
}

const retryMs = 5_000

/** Throws an Error that names the address if it cannot be had. */
export async function listen({ host, port, ipv6Only = false }: ListenAddress, answer: Answer): Promise<Listener> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] as string
    if (!answer(path, response)) response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? `port ${port} is in use` : cause.message
      reject(new Error(`cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port}: ${why}`, { cause }))
    })
    server.listen({ host, port, ipv6Only }, resolve)
  })
  return { close: () => closed(server) }
}

/** Says so if the address cannot be had, and tries again and again until it can: for what the proxy's own work doesn't need. */
export async function listenSometime(address: ListenAddress, answer: Answer, deps: { clock: Clock; log: Log }): Promise<Listener> {
  let listener: Listener | undefined
  let cancel = (): void => undefined
  let stopped = false
  const attempt = async (): Promise<void> => {
    try {
      const opened = await listen(address, answer)
      if (stopped) await opened.close()
      else listener = opened
    } catch (error) {
      if (stopped) return
      deps.log.error('will try again', { error, afterMs: retryMs })
      cancel = deps.clock.after(retryMs, () => void attempt())
    }
  }
  await attempt()
  return {
    async close() {
      stopped = true
      cancel()
      await listener?.close()
    },
  }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
