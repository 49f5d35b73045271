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
  let memory: [string, string][] = []
  for (let i = 0; i < rounds; i++) {
    const folder = mkdtempSync(join(tmpdir(), 'ownkube-bench-'))
    try {
      cold.push(boot(folder))
      if (i === 0) {
        await new Promise((resolve) => setTimeout(resolve, 30_000))
        const processes = processesOf(join(folder, 'data'))
        const sum = (role: string): number => (processes.get(role) ?? []).reduce((total, pid) => total + pssMiB(pid), 0)
        const ours = sum('server') + sum('agent')
        memory = [
          ['server', sum('server')],
          ['agent', sum('agent')],
          ['our own processes', ours],
          ['containerd', sum('containerd')],
          ['shims of 3 pods', sum('shims')],
        ].map(([role, mib]) => [String(role), `${(mib as number).toFixed(1)} MiB`])
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
  console.log(`Memory 30 s after the demo (PSS)\n`)
  console.log(table(['PROCESS', 'PSS'], memory))
}
