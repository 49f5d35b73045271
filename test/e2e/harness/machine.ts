import { readdirSync, readFileSync } from 'node:fs'
import { run } from './command.ts'

/** What a cluster could leave on a machine, as sets of lines to compare before and after. */
export interface MachineState {
  processes: string[]
  links: string[]
  namespaces: string[]
  mounts: string[]
  chains: string[]
  tables: string[]
  cgroups: string[]
}

const lines = async (program: string, args: readonly string[]): Promise<string[]> =>
  (await run(program, args)).stdout.split('\n').filter(Boolean)

/** Anything with this text in its command line, but not the tests themselves. */
function processesNaming(text: string): string[] {
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

/** `text` is the cluster's name: processes, mounts and cgroups of others are not ours to judge. */
export async function machineState(text: string): Promise<MachineState> {
  return {
    processes: processesNaming(text),
    links: (await lines('ip', ['-brief', 'link'])).map((line) => line.split(/[\s@]/)[0] as string).sort(),
    namespaces: (await lines('ip', ['netns', 'list'])).sort(),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(text)),
    // Tables and chains that iptables itself creates empty at first use are nobody's leftovers.
    chains: (await lines('iptables-save', []))
      .filter((line) => /^:(KUBE|OWNKUBE|CNI|OK)/i.test(line) || (line.startsWith('-A') && /KUBE|OWNKUBE|CNI/i.test(line)))
      .map((line) => line.replace(/ \[\d+:\d+\]$/, ''))
      .sort(),
    tables: (await lines('nft', ['list', 'tables'])).filter((line) => /kube/i.test(line)),
    cgroups: cgroupsNaming(text),
  }
}
