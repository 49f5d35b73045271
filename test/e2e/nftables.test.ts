/** The contract of nftables kernels, against the real one: each test in a network namespace of its own. Needs root. */

import { mustRun, systemExec } from '../../src/host/exec.ts'
import { loadLibc } from '../../src/host/libc.ts'
import { nftKernelContract } from '../../src/netfilter/nftables/kernel-contract.ts'
import { openNetlinkKernel } from '../../src/netfilter/nftables/netlink-kernel.ts'

let spaces = 0

nftKernelContract('netlink', async () => {
  const libc = loadLibc((reason) => {
    throw new Error(reason)
  })
  if (libc === undefined) throw new Error('no system calls')
  const name = `okk-${process.pid}-${++spaces}`
  await mustRun(systemExec, 'ip', ['netns', 'add', name])
  const namespace = `/run/netns/${name}`
  const [kernel, other] = [openNetlinkKernel(libc, { namespace }), openNetlinkKernel(libc, { namespace })]
  return {
    kernel,
    other,
    async close() {
      kernel.close()
      other.close()
      await mustRun(systemExec, 'ip', ['netns', 'del', name])
    },
  }
})
