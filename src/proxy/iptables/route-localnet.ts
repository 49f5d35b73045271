import type { Exec } from '../../host/exec.ts'
import { mustRun } from '../../host/exec.ts'
import type { SavedRules } from '../../netfilter/parse.ts'
import type { ChainNames } from './chain-names.ts'

const setting = '/proc/sys/net/ipv4/conf/all/route_localnet'

/** Through a shell, so that it is the setting of the network namespace that the Exec runs in. */
async function readSetting(exec: Exec): Promise<'0' | '1'> {
  return (await mustRun(exec, 'sh', ['-c', `cat ${setting}`])).trim() === '1' ? '1' : '0'
}

async function writeSetting(exec: Exec, value: '0' | '1'): Promise<void> {
  await mustRun(exec, 'sh', ['-c', `echo ${value} > ${setting}`])
}

/** What the setting was before a cluster turned it on, out of the guard rule's comment (kept there, as rules die with the setting). */
function settingBefore(saved: SavedRules, guardChain: string): '0' | '1' | undefined {
  const found = /route_localnet was ([01])/.exec((saved.filter.get(guardChain) ?? []).join('\n'))
  return found ? (found[1] as '0' | '1') : undefined
}

/** What route_localnet was without us. Changes nothing: the guard must be there before {@link openLocalnet}. */
export async function localnetBefore(exec: Exec, saved: SavedRules, chains: ChainNames): Promise<'0' | '1'> {
  const current = await readSetting(exec)
  return current === '0' ? '0' : (settingBefore(saved, chains.localnetGuard) ?? guardOfAnother(saved) ?? '1')
}

/** A cluster that came before us may have turned it on; whoever goes last turns it off. */
function guardOfAnother(saved: SavedRules): '0' | '1' | undefined {
  for (const chain of saved.filter.keys()) {
    if (/^KUBE[a-z0-9]{0,3}-FIREWALL$/.test(chain)) {
      const before = settingBefore(saved, chain)
      if (before !== undefined) return before
    }
  }
  return undefined
}

/** Lets packets from 127.0.0.0/8 be translated and leave, as localhost node ports need. */
export async function openLocalnet(exec: Exec): Promise<void> {
  if ((await readSetting(exec)) === '0') await writeSetting(exec, '1')
}

/** To be called before the guard goes. Leaves the setting if it was on before us or another cluster still relies on it. */
export async function closeLocalnet(exec: Exec, saved: SavedRules, chains: ChainNames): Promise<void> {
  if (settingBefore(saved, chains.localnetGuard) !== '0') return
  const others = new Map([...saved.filter].filter(([chain]) => chain !== chains.localnetGuard))
  if (guardOfAnother({ ...saved, filter: others }) === undefined) await writeSetting(exec, '0')
}
