/** In the server's place of the bed: tells whoever connects to port 8080 at which address it was reached. */
import { createServer } from 'node:net'

createServer((socket) => {
  socket.on('error', () => undefined) // a client that is content goes without a word
  socket.end(`${socket.localAddress?.replace('::ffff:', '')}\n`)
}).listen(8080, '0.0.0.0', () => process.send?.({ up: true }))
