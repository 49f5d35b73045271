import { type ClientHttp2Session, connect } from 'node:http2'
import { monotonicMs, percentile } from '../statistics.ts'

/** What the bench tells it, as JSON in its only argument. */
interface Task {
  readonly port: number
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly watches: number
  readonly connections: number
  readonly changes: number
}

/**
 * Many watches over HTTP/2 in a process of their own: says `ready` when all are open, and `{ lines, p50, p99 }` when each has
 * had all changes. A change tells when it was made (`at 123.4 `), by the clock that all processes share.
 */
const task = JSON.parse(process.argv[2] ?? '') as Task
const sessions = Array.from({ length: task.connections }, () => connect(`https://127.0.0.1:${task.port}`, task))
const times: number[] = []
let lines = 0

function watch(session: ClientHttp2Session): Promise<void> {
  const stream = session.request({ ':path': '/api/v1/namespaces/bench/configmaps?watch=true&resourceVersion=0' })
  return new Promise((opened, failed) => {
    stream.on('error', failed)
    stream.on('response', () => opened())
    let rest = Buffer.alloc(0)
    stream.on('data', (piece: Buffer) => {
      const now = monotonicMs()
      const all = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
      const end = all.lastIndexOf('\n') + 1
      const chunk = all.subarray(0, end)
      rest = Buffer.from(all.subarray(end))
      for (let at = chunk.indexOf('at '); at >= 0; at = chunk.indexOf('at ', at + 3)) {
        lines++
        times.push(now - Number(chunk.toString('latin1', at + 3, chunk.indexOf(' ', at + 3))))
      }
      if (lines < task.watches * task.changes) return
      console.log(JSON.stringify({ lines, p50: percentile(times, 0.5), p99: percentile(times, 0.99) }))
      for (const each of sessions) each.destroy()
    })
  })
}

for (let i = 0; i < task.watches; i += 100) {
  const some = Array.from({ length: Math.min(100, task.watches - i) }, (_, j) => sessions[(i + j) % sessions.length] as ClientHttp2Session)
  await Promise.all(some.map(watch))
}
console.log('ready')
