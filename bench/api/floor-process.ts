import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'

/**
 * What any HTTPS server written for Node costs: takes what is sent and answers with as many bytes as the path says. Says its port once it
 * listens. Its certificate and key come as JSON in its only argument.
 */
const { ca, cert, key } = JSON.parse(process.argv[2] ?? '') as Record<'ca' | 'cert' | 'key', string>
const bodies = new Map<string, Buffer>()

function bodyFor(path: string): Buffer {
  const known = bodies.get(path)
  if (known) return known
  const body = Buffer.alloc(Number(path.slice(1)), 'x')
  bodies.set(path, body)
  return body
}

const server = createSecureServer({ ca, cert, key, allowHTTP1: true, requestCert: true })
server.on('request', (given, answer) => {
  const [request, response] = [given as unknown as IncomingMessage, answer as unknown as ServerResponse]
  const body = bodyFor(request.url ?? '/0')
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.byteLength }).end(body)
  })
})
// HTTP/2 by the plain streams of Node, which cost less than what it makes of them for `request`.
server.removeAllListeners('stream')
server.on('stream', (stream, headers) => {
  const body = bodyFor(String(headers[':path']))
  stream.on('error', () => {})
  stream.resume().on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': body.byteLength })
    stream.end(body)
  })
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
