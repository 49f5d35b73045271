import type { Exec } from '../host/exec.ts'
import { mustRun } from '../host/exec.ts'

const setting = '/proc/sys/net/ipv4/conf/all/route_localnet'

/**
 * A rule that keeps the network out of 127.0.0.0/8 while route_localnet is on, as localhost node ports need it. Its comment keeps what the
 * setting was before: in the rule, as rules die with the setting.
 */
export interface LocalnetGuard {
  /** Of the cluster that it belongs to. */
  readonly tag: string
  readonly was: '0' | '1'
}

/** All guards on this host, of every cluster and whatever mode it is in. */
export type FindGuards = () => Promise<readonly LocalnetGuard[]>

export const guardNote = (was: '0' | '1'): string => `block incoming localnet connections; route_localnet was ${was}`

export function settingInNote(text: string): '0' | '1' | undefined {
  const found = /route_localnet was ([01])/.exec(text)
  return found ? (found[1] as '0' | '1') : undefined
}

/** Through a shell, so that it is the setting of the network namespace that the Exec runs in. */
async function readSetting(exec: Exec): Promise<'0' | '1'> {
  return (await mustRun(exec, 'sh', ['-c', `cat ${setting}`])).trim() === '1' ? '1' : '0'
}

async function writeSetting(exec: Exec, value: '0' | '1'): Promise<void> {
  await mustRun(exec, 'sh', ['-c', `echo ${value} > ${setting}`])
}

/**
 * What route_localnet was without us: a cluster that came before us may have turned it on, and whoever goes last turns it off. Changes
 * nothing: the guard must be there before {@link openLocalnet}.
 */
export async function localnetBefore(exec: Exec, tag: string, findGuards: FindGuards): Promise<'0' | '1'> {
  if ((await readSetting(exec)) === '0') return '0'
  const guards = await findGuards()
  return (guards.find((guard) => guard.tag === tag) ?? guards[0])?.was ?? '1'
}

/** Lets packets from 127.0.0.0/8 be translated and leave, as localhost node ports need. */
export async function openLocalnet(exec: Exec): Promise<void> {
  if ((await readSetting(exec)) === '0') await writeSetting(exec, '1')
}

/** To be called before the guard goes. Leaves the setting if it was on before us or another cluster still relies on it. */
export async function closeLocalnet(exec: Exec, tag: string, findGuards: FindGuards): Promise<void> {
  if ((await readSetting(exec)) === '0') return
  const guards = await findGuards()
  const isOurs = guards.some((guard) => guard.tag === tag && guard.was === '0')
  if (isOurs && guards.every((guard) => guard.tag === tag)) await writeSetting(exec, '0')
}
