import { systemClock } from '../host/clock.ts'
import { systemExec } from '../host/exec.ts'
import { lineLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { readConfig } from './config-file.ts'

/** `ownkube server DATA-DIR` and `ownkube agent DATA-DIR`: what `up` starts. Ends on SIGTERM or SIGINT. */
export async function runRole(role: 'server' | 'agent', args: readonly string[]): Promise<void> {
  const [dataDir] = args
  if (!dataDir || dataDir.startsWith('-')) {
    process.stderr.write(
      `usage: ownkube ${role} DATA-DIR\nRuns one part of a cluster that 'ownkube up' has configured; 'ownkube up' starts both parts.\n`,
    )
    process.exitCode = 2
    return
  }
  const log = lineLog((line) => process.stdout.write(line), {
    level: process.env.OWNKUBE_DEBUG ? 'debug' : 'info',
    now: systemClock.now,
    component: role,
  })
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
    const config = await readConfig(dataDir)
    const deps = { clock: systemClock, random: systemRandom, log, exec: systemExec, signal: stop.signal }
    if (role === 'server') await (await import('./server.ts')).runServer(config, deps)
    else await (await import('./agent.ts')).runAgent(config, deps)
    log.info('stopped')
    process.exit(0)
  } catch (error) {
    if (stop.signal.aborted) process.exit(0)
    log.error('cannot go on', { error, stack: error instanceof Error ? error.stack : undefined })
    process.exit(1)
  }
}
