import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../../host/log.ts'

/**
 * Hands an upgraded connection (SPDY/3.1 or WebSocket) to the runtime's streaming server: the request is sent there as it came,
 * with the path that the runtime gave, and from then on bytes go both ways untouched. What the runtime refuses goes back as it is,
 * so that a client whose protocol the API server does not translate can fall back from WebSocket to SPDY.
 */
export function passThrough(request: IncomingMessage, client: Duplex, head: Buffer, url: string, log: Log): void {
  const { hostname, port, pathname, search } = new URL(url)
  const upstream = connect({ host: hostname, port: Number(port || 80), allowHalfOpen: true })
  upstream.setNoDelay(true)
  upstream.once('connect', () => {
    upstream.write(requestHead(request, `${pathname}${search}`, `${hostname}:${port}`))
    if (head.length > 0) upstream.write(head)
    client.pipe(upstream)
    upstream.pipe(client)
  })
  upstream.once('error', (error) => {
    log.warn('stream to the runtime broke off', { error })
    client.destroy()
  })
  client.once('error', () => upstream.destroy()) // the other end has gone: nobody is left to tell
  client.once('close', () => upstream.destroy())
  upstream.once('close', () => client.end())
}

function requestHead(request: IncomingMessage, path: string, host: string): string {
  const lines = [`${request.method} ${path} HTTP/1.1`]
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!
    lines.push(`${name}: ${name.toLowerCase() === 'host' ? host : request.rawHeaders[i + 1]}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Ends an upgrade request with a plain answer. */
export function refuseUpgrade(client: Duplex, code: number, message: string): void {
  const reason = { 400: 'Bad Request', 403: 'Forbidden', 404: 'Not Found', 500: 'Internal Server Error' }[code] ?? 'Error'
  const body = `${message}\n`
  const head = ['Content-Type: text/plain', `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close']
  client.end(`HTTP/1.1 ${code} ${reason}\r\n${head.join('\r\n')}\r\n\r\n${body}`)
}
