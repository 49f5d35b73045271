import type { Exec } from '../../host/exec.ts'

const liberalSetting = '/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal'

/** Whether TCP packets out of the window count as valid, but for resets. Not where connections have not been tracked so far. */
export async function isTcpLiberal(exec: Exec): Promise<boolean> {
  // Through a shell, so that it is the setting of the network namespace that the Exec runs in.
  const { stdout } = await exec.run('sh', ['-c', `cat ${liberalSetting}`])
  return Number(stdout) !== 0
}
