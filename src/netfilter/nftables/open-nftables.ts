import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { loadLibc } from '../../host/libc.ts'
import type { NftKernel } from './kernel.ts'
import { openNetlinkKernel } from './netlink-kernel.ts'
import { openProgramKernel } from './program-kernel.ts'

/** Opens the nftables of one network namespace, as often as asked; undefined where they cannot be had. */
export type OpenNftables = () => NftKernel | undefined

/** Through a socket; where system calls cannot be had, through the program nft. `namespace`: a file, for another than the process's own. */
export function openNftables(options: { exec: Exec; clock: Clock; namespace?: string }): OpenNftables {
  return () => {
    const libc = loadLibc()
    return libc ? openNetlinkKernel(libc, { namespace: options.namespace }) : openProgramKernel(options)
  }
}
