import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'

/** One thing that a command does and shows: run in order, stopped at the first that throws. */
export interface Step {
  title: string
  /** `report` shows a line of progress; what it answers, if anything, stands behind the title afterwards. */
  run(report: (text: string) => void): Promise<string | undefined>
}

export interface OperatorDeps {
  clock: Clock
  random: Random
  exec: Exec
  log: Log
  /** How this program is started again in another role: program and first arguments. */
  self: { program: string; args: readonly string[] }
}
