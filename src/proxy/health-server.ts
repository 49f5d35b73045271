import { createServer, type Server, type ServerResponse } from 'node:http'
import { timestamp } from '../host/clock.ts'

/** What the health endpoints tell. Times are ms since the epoch, 0 for never. */
export interface ProxyHealth {
  readonly lastUpdatedMs: number
  readonly nowMs: number
  /** Rules are up to date, or have been behind for only a short while. */
  readonly healthy: boolean
}

/** /healthz and /livez as kube-proxy answers them: 200 or 503 with a JSON body. Throws if the port is taken. */
export function serveHealth(port: number, health: () => ProxyHealth): Promise<Server> {
  return serve('0.0.0.0', port, (path, response) => {
    if (path !== '/healthz' && path !== '/livez') return false
    const { lastUpdatedMs, nowMs, healthy } = health()
    const body = {
      lastUpdated: timestamp(lastUpdatedMs),
      currentTime: timestamp(nowMs),
      ...(path === '/healthz' ? { nodeEligible: true } : {}),
    }
    response.writeHead(healthy ? 200 : 503, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
    response.end(JSON.stringify(body))
    return true
  })
}

/** /metrics in Prometheus' text format, /healthz and /proxyMode, for this host only. */
export function serveMetrics(port: number, metrics: () => string): Promise<Server> {
  return serve('127.0.0.1', port, (path, response) => {
    const text = path === '/metrics' ? metrics() : path === '/proxyMode' ? 'iptables' : path === '/healthz' ? 'ok' : undefined
    if (text === undefined) return false
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text)
    return true
  })
}

function serve(host: string, port: number, answer: (path: string, response: ServerResponse) => boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] as string
    if (!answer(path, response)) response.writeHead(404).end()
  })
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new Error(cause.code === 'EADDRINUSE' ? `port ${port} is in use: give the proxy another, or 0 for none` : cause.message, { cause }),
      ),
    )
    server.listen(port, host, () => resolve(server))
  })
}
