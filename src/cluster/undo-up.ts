import { stopProcess } from '../host/processes.ts'
import { downSteps } from './down.ts'
import type { OperatorDeps } from './steps.ts'
import type { Begun } from './up.ts'

/**
 * After an `up` that failed: nothing half-done stays. A cluster that was down is taken down again, containerd, rules and all;
 * of one that ran in part only what this `up` started is stopped. Data and logs stay, to find out why.
 */
export async function undoUp({ config, wasDown, started }: Begun, deps: OperatorDeps): Promise<void> {
  if (started.length === 0) return
  if (!wasDown) {
    for (const mark of started) await stopProcess(mark, 5_000, deps.clock)
    return
  }
  for (const { run } of downSteps(config, { deleteData: false }, deps)) await run(() => undefined)
}
