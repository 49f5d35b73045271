import { readdir, writeFile } from 'node:fs/promises'
import type { Exec } from '../host/exec.ts'
import { ExecError } from '../host/exec.ts'
import { readIfThere } from '../host/files.ts'
import type { Family } from './pod-rules.ts'

const forwarding = '/proc/sys/net/ipv4/ip_forward'
const settings6 = '/proc/sys/net/ipv6/conf'
const forwarding6 = `${settings6}/all/forwarding`
const bridgeRules6 = '/proc/sys/net/bridge/bridge-nf-call-ip6tables'
const bridgeRules = '/proc/sys/net/bridge/bridge-nf-call-iptables'

/** Turns on what pods need: forwarding, and rules for traffic that stays on the bridge. Throws, saying what to do, where it can't. */
export async function prepareKernel(exec: Exec, families: readonly Family[]): Promise<void> {
  await turnOn(forwarding)
  if (families.includes('IPv6')) await forwardIpv6()
  if ((await settingOf(bridgeRules)) === undefined) await loadModule(exec, 'br_netfilter')
  if ((await settingOf(bridgeRules)) === undefined) {
    throw new Error(
      'the kernel module br_netfilter is missing: without it a pod can not reach another one on its node through a Service. ' +
        'Load it (modprobe br_netfilter), or use a kernel that has it.',
    )
  }
  await turnOn(bridgeRules)
  if (families.includes('IPv6')) await turnOn(bridgeRules6)
}

/**
 * A host that forwards is a router, and takes no other router's word any more: one that has its own way to the world by such
 * (accept_ra 1) would lose it. 2 is: forward, and listen all the same.
 */
async function forwardIpv6(): Promise<void> {
  let links: string[]
  try {
    links = await readdir(settings6)
  } catch (cause) {
    throw new Error('this kernel has no IPv6, which the pods of this cluster need: leave the second range away', { cause })
  }
  if ((await settingOf(forwarding6)) === '1') return
  for (const link of links) {
    const path = `${settings6}/${link}/accept_ra`
    if ((await settingOf(path)) === '1') await writeFile(path, '2')
  }
  await turnOn(forwarding6)
}

async function turnOn(path: string): Promise<void> {
  if ((await settingOf(path)) === '1') return
  try {
    await writeFile(path, '1')
  } catch (error) {
    throw new Error(`${path} can not be set to 1: ${(error as Error).message}`, { cause: error })
  }
}

async function settingOf(path: string): Promise<string | undefined> {
  return (await readIfThere(path))?.trim()
}

/** Whether it worked is seen by what the module brings: a kernel may have it built in and no modprobe. */
async function loadModule(exec: Exec, name: string): Promise<void> {
  try {
    await exec.run('modprobe', [name])
  } catch (error) {
    if (!(error instanceof ExecError)) throw error
  }
}
