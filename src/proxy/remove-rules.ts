import type { Exec } from '../host/exec.ts'
import { removeIptablesRules } from './iptables/remove-iptables-rules.ts'

/**
 * Takes away all rules of the cluster with this tag, whichever mode wrote them, and nothing else; needs no running
 * proxy. Established connections go on, for the kernel remembers their translation. Throws ExecError on refusal.
 */
export async function removeProxyRules(options: { exec: Exec; chainTag: string; variant?: 'nft' | 'legacy' }): Promise<void> {
  await removeIptablesRules(options)
}
