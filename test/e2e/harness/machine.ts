import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { tagOf } from '../../../src/cluster/config.ts'
import { bridgeName, chainNames, networkName } from '../../../src/podnet/names.ts'
import { tableName } from '../../../src/proxy/nftables/set-names.ts'
import { run } from './command.ts'

/** What a cluster could leave on a machine. */
export interface MachineState {
  processes: string[]
  links: string[]
  namespaces: string[]
  mounts: string[]
  chains: string[]
  cgroups: string[]
}

const lines = async (program: string, args: readonly string[]): Promise<string[]> =>
  (await run(program, args)).stdout.split('\n').filter(Boolean)

/** Anything with this text in its command line, but not the tests themselves. */
export function processesNaming(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`
      } catch {
        return '' // ended while we looked
      }
    })
    .filter((line) => line.includes(text) && !line.includes('vitest'))
}

function cgroupsNaming(text: string): string[] {
  const found: string[] = []
  const look = (directory: string, depth: number): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue
      const path = `${directory}/${entry.name}`
      if (entry.name.includes(text)) found.push(path)
      else if (depth > 0) look(path, depth - 1)
    }
  }
  look('/sys/fs/cgroup', 2)
  return found
}

/**
 * What there is of one cluster on this machine: nothing, after `down`. Others may run beside it, so everything is looked for by
 * the names that only this cluster's things have.
 */
export async function machineState(name: string): Promise<MachineState> {
  const tag = tagOf(name, (text) => createHash('sha256').update(text).digest('hex'))
  const ours = [`KUBE${tag}-`, networkName(name), ...Object.values(chainNames(tag))]
  const links = JSON.parse((await run('ip', ['-json', 'link'])).stdout) as { ifname: string; master?: string }[]
  const isOurs = (link: { ifname: string; master?: string }): boolean => [link.ifname, link.master].includes(bridgeName(name))
  const outside = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return {
    processes: processesNaming(name),
    links: links.filter((link) => isOurs(link) || link.ifname.includes(outside)).map(({ ifname }) => ifname),
    namespaces: (await lines('ip', ['netns', 'list'])).filter((line) => line.includes(outside)),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(name)),
    chains: [...(await lines('iptables-save', [])), ...(await lines('nft', ['list', 'tables']))].filter((line) =>
      [...ours, tableName(tag)].some((text) => line.includes(text)),
    ),
    cgroups: cgroupsNaming(name),
  }
}

/** Nothing at all. */
export const clean: MachineState = { processes: [], links: [], namespaces: [], mounts: [], chains: [], cgroups: [] }
