import { type Clock, systemClock } from '../host/clock.ts'
import { type Exec, systemExec } from '../host/exec.ts'
import { type Log, type LogLevel, lineLog } from '../host/log.ts'
import { type Random, systemRandom } from '../host/random.ts'

export interface ProcessDeps {
  clock: Clock
  random: Random
  log: Log
  exec: Exec
  signal: AbortSignal
}

/** A process that runs until SIGTERM or SIGINT, its log on standard output: 0 after a signal or a good end, 1 where it cannot go on. */
export async function runProcess(component: string, level: LogLevel, work: (deps: ProcessDeps) => Promise<void>): Promise<void> {
  const log = lineLog((line) => process.stdout.write(line), { level, now: systemClock.now, component })
  const stop = new AbortController()
  const end = (name: string): void => {
    log.info('stopping', { signal: name })
    stop.abort(new Error(`stopped by ${name}`))
  }
  process.once('SIGTERM', end).once('SIGINT', end)
  process.on('unhandledRejection', (error) => {
    if (stop.signal.aborted) return // what was under way when the signal came
    log.error('unhandled rejection', { error, stack: error instanceof Error ? error.stack : undefined })
    process.exit(70)
  })
  try {
    await work({ clock: systemClock, random: systemRandom, log, exec: systemExec, signal: stop.signal })
    log.info('stopped')
    process.exit(0)
  } catch (error) {
    if (stop.signal.aborted) process.exit(0)
    log.error('cannot go on', { error, stack: error instanceof Error ? error.stack : undefined })
    process.exit(1)
  }
}
