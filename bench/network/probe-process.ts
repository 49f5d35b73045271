/** In the client's place of the bed: connects again and again until the wanted answer comes, and says when that was. */
import { connect } from 'node:net'
import { setPriority } from 'node:os'
import { monotonicMs } from '../statistics.ts'

export interface ProbeFor {
  readonly clusterIp: string
  /** The endpoint that must answer; undefined: any. */
  readonly address?: string
}

export interface Answered {
  /** By CLOCK_MONOTONIC. */
  readonly atMs: number
  readonly attempts: number
}

const attemptTimeoutMs = 200
/** The probe looks at most every 2 % of the time that it has waited: it shares the machine with what it waits for. */
const share = 0.02
const leastSpacingMs = 0.25

function attempt(host: string, heard: (answer: string) => void): void {
  const socket = connect({ host, port: 80 })
  const timer = setTimeout(() => socket.destroy(), attemptTimeoutMs)
  socket.on('data', (data) => {
    heard(String(data).trim())
    socket.resetAndDestroy()
  })
  socket.on('error', () => undefined) // not there yet: that is what is being waited for
  socket.on('close', () => clearTimeout(timer))
}

process.on('message', ({ clusterIp, address }: ProbeFor) => {
  const began = monotonicMs()
  let last = 0
  let attempts = 0
  let done = false
  const turn = (): void => {
    if (done) return
    const now = monotonicMs()
    if (now - last >= Math.max(leastSpacingMs, (now - began) * share)) {
      last = now
      attempts++
      attempt(clusterIp, (answer) => {
        if (done || (address !== undefined && answer !== address)) return
        done = true
        process.send?.({ atMs: monotonicMs(), attempts } satisfies Answered)
      })
    }
    // Timers are too coarse for what takes less than a millisecond.
    if (now - began < 50) setImmediate(turn)
    else setTimeout(turn, 1)
  }
  turn()
})
// It looks without pause, on a machine with two processors: not at the expense of what it looks for.
setPriority(10)
process.send?.({ up: true })
