import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'

/** The cgroup, below each hierarchy's root, that holds all pods of a cluster. */
export function cgroupRootOf(name: string): string {
  return `/ownkube-${name}`
}

export interface AgentDeps {
  clock: Clock
  random: Random
  log: Log
  exec: Exec
  signal: AbortSignal
}
