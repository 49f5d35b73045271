import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { unlessGone } from '../cri/runtime-leftovers.ts'
import type { Clock } from '../host/clock.ts'
import { type ProcessMark, readMark, startTicksOf, stopProcess } from '../host/processes.ts'
import type { ClusterConfig } from './config.ts'
import { containerdPidFile, pathsOf } from './paths.ts'

const graceMs = 10_000

/**
 * Ends the cluster's processes that no pid file names: whoever started one was killed before it could write that down, or the run-time
 * folder was removed under them. Beside such a process another of its kind would work against it. Answers how many there were.
 */
export async function stopStrayProcesses(config: ClusterConfig, deps: { clock: Clock }): Promise<number> {
  const { serverPid, agentPid } = pathsOf(config)
  const marks = await Promise.all([serverPid, agentPid, containerdPidFile(config)].map(readMark))
  const named = new Set(marks.map((mark) => mark?.pid))
  const strays = (await processesOf(config)).filter(({ pid }) => !named.has(pid))
  await Promise.all(strays.map((mark) => stopProcess(mark, graceMs, deps.clock)))
  return strays.length
}

async function processesOf(config: ClusterConfig): Promise<ProcessMark[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const words = (await unlessGone(readFile(`/proc/${pid}/cmdline`, 'utf8'), '')).split('\0').slice(0, -1)
      const startTicks = isProcessOf(words, config) ? startTicksOf(pid) : undefined
      return startTicks === undefined ? [] : [{ pid, startTicks }]
    }),
  )
  return found.flat()
}

/** A role of ours on this data folder, or the containerd of this cluster, by its command line. */
export function isProcessOf(words: readonly string[], config: { dataDir: string; runDir: string }): boolean {
  const program = basename(words[0] ?? '')
  if (program === 'containerd') return words[1] === '--config' && words[2] === join(pathsOf(config).containerdData, 'config.toml')
  const [entry, role, dataDir] = words.slice(-3)
  return (
    program === 'node' &&
    /(ownkube\.mjs|main\.ts)$/.test(entry ?? '') &&
    (role === 'server' || role === 'agent') &&
    dataDir === config.dataDir
  )
}
