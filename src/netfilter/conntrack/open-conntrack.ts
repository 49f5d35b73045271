import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { loadLibc } from '../../host/libc.ts'
import { openNetfilterSocket } from '../netlink/socket.ts'
import type { Conntrack } from './conntrack.ts'
import { netlinkConntrack } from './netlink-conntrack.ts'
import { programConntrack } from './program-conntrack.ts'

/** Over netlink; where system calls cannot be had, through the program conntrack. `namespace`: a file, for another than the process's own. */
export function openConntrack({ exec, clock, namespace }: { exec: Exec; clock: Clock; namespace?: string }): Conntrack {
  const libc = loadLibc()
  return libc ? netlinkConntrack(() => openNetfilterSocket(libc, { namespace }), clock) : programConntrack(exec)
}
