/**
 * In the server's place of the bed: tells whoever connects to port 8080 at which address it was reached; takes in whatever is sent to
 * port 8081.
 */
import { createServer } from 'node:net'

/** Longer than any burst, so that the kernel alone answers it, however late this process gets to run. */
const backlog = 4096
const bulk = createServer((socket) => {
  socket.on('error', () => undefined) // the sender ends it as it likes
  socket.resume()
})
const echo = createServer((socket) => {
  socket.on('error', () => undefined) // a client that is content goes without a word
  socket.end(`${socket.localAddress?.replace('::ffff:', '')}\n`)
})
bulk.listen(8081, '0.0.0.0', () => echo.listen(8080, '0.0.0.0', backlog, () => process.send?.({ up: true })))
