/**
 * Boot times and idle memory of a whole cluster, as a user meets them: `ownkube demo` on an empty data directory (cold),
 * and again after `ownkube down` (warm). The floor beside them is what one `node -e ''` takes on the same machine.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { table } from '../src/cli/table.ts'

interface Boot {
  readyMs: number
  answeringMs: number
}

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const name = `bench-${process.pid}`

function ownkube(folder: string, command: string, ...args: string[]): string {
  const result = spawnSync('./ownkube', [command, '--name', name, '--data-dir', join(folder, 'data'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, KUBECONFIG: join(folder, 'kubeconfig') },
  })
  if (result.status !== 0) throw new Error(`ownkube ${command} ended with ${result.status}: ${result.stderr}`)
  return result.stdout
}

const boot = (folder: string): Boot => JSON.parse(ownkube(folder, 'demo', '--requests', '3', '--output', 'json')) as Boot

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

/** Proportional set size in MiB: memory shared with other processes counts by share. */
function pssMiB(pid: number): number {
  const kilobytes = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
  return kilobytes / 1024
}

const idleMs = 30_000
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** User and system time so far; the kernel counts hundredths. */
function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return total + (Number(fields[11]) + Number(fields[12])) / 100
  }, 0)
}

function processesOf(folder: string): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    let line: string
    try {
      line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    } catch {
      continue // ended while we looked
    }
    const role = line.includes(`server ${folder}`)
      ? 'server'
      : line.includes(`agent ${folder}`)
        ? 'agent'
        : line.startsWith('containerd ') && line.includes(folder)
          ? 'containerd'
          : line.includes('containerd-shim') && line.includes(`/run/ownkube/${name}/`)
            ? 'shims'
            : undefined
    if (role) found.set(role, [...(found.get(role) ?? []), Number(pid)])
  }
  return found
}

function nodeFloorMs(): number {
  const started = performance.now()
  spawnSync(process.execPath, ['-e', ''])
  return performance.now() - started
}

export async function run(): Promise<void> {
  const cold: Boot[] = []
  const warm: Boot[] = []
  let memory: string[][] = []
  for (let i = 0; i < rounds; i++) {
    const folder = mkdtempSync(join(tmpdir(), 'ownkube-bench-'))
    try {
      cold.push(boot(folder))
      if (i === 0) {
        const processes = processesOf(join(folder, 'data'))
        await wait(5_000) // what the demo set in motion settles
        const before = new Map([...processes].map(([role, pids]) => [role, cpuSeconds(pids)]))
        await wait(idleMs)
        const busy = (role: string): number => (cpuSeconds(processes.get(role) ?? []) - (before.get(role) ?? 0)) / (idleMs / 1000)
        const sum = (role: string): number => (processes.get(role) ?? []).reduce((total, pid) => total + pssMiB(pid), 0)
        const ours = sum('server') + sum('agent')
        const rows: [string, number, number][] = [
          ['server', sum('server'), busy('server')],
          ['agent', sum('agent'), busy('agent')],
          ['our own processes', ours, busy('server') + busy('agent')],
          ['containerd', sum('containerd'), busy('containerd')],
          ['shims of 3 pods', sum('shims'), busy('shims')],
        ]
        memory = rows.map(([role, mib, share]) => [role, `${mib.toFixed(1)} MiB`, `${(share * 100).toFixed(2)} %`])
      }
      ownkube(folder, 'down')
      warm.push(boot(folder))
    } finally {
      ownkube(folder, 'down', '--delete')
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const floor = median(Array.from({ length: 5 }, nodeFloorMs))
  const row = (label: string, boots: readonly Boot[]): string[] => [
    label,
    seconds(median(boots.map(({ readyMs }) => readyMs))),
    seconds(Math.max(...boots.map(({ readyMs }) => readyMs))),
    seconds(median(boots.map(({ answeringMs }) => answeringMs))),
    seconds(Math.max(...boots.map(({ answeringMs }) => answeringMs))),
  ]
  console.log(`Boot, ${rounds} rounds; one 'node -e ""' takes ${floor.toFixed(0)} ms here\n`)
  console.log(table(['START', 'NODE READY', '(WORST)', '3 PODS ANSWERING', '(WORST)'], [row('cold', cold), row('warm', warm)]))
  console.log(`At rest after the demo: memory, and processor time over ${idleMs / 1000} s\n`)
  console.log(table(['PROCESS', 'PSS', 'OF ONE CORE'], memory))
}
