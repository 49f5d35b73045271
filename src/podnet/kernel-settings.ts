import { writeFile } from 'node:fs/promises'
import type { Exec } from '../host/exec.ts'
import { ExecError } from '../host/exec.ts'
import { readIfThere } from '../host/files.ts'

const forwarding = '/proc/sys/net/ipv4/ip_forward'
const bridgeRules = '/proc/sys/net/bridge/bridge-nf-call-iptables'

/** Turns on what pods need: forwarding, and rules for traffic that stays on the bridge. Throws, saying what to do, where it can't. */
export async function prepareKernel(exec: Exec): Promise<void> {
  await turnOn(forwarding)
  if ((await settingOf(bridgeRules)) === undefined) await loadModule(exec, 'br_netfilter')
  if ((await settingOf(bridgeRules)) === undefined) {
    throw new Error(
      'the kernel module br_netfilter is missing: without it a pod can not reach another one on its node through a Service. ' +
        'Load it (modprobe br_netfilter), or use a kernel that has it.',
    )
  }
  await turnOn(bridgeRules)
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
