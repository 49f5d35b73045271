import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import { sendSignal, startTicksOf } from '../host/processes.ts'
import type { ContainerSummary, SandboxSummary } from './runtime.ts'
import { shimsOf, tasksIn, unlessGone, unmountBeneath } from './runtime-leftovers.ts'

export interface StrayOptions {
  dataDir: string
  runDir: string
}

/** Ids of all tasks that have left something in the run-time folder: to be asked while no containerd runs that could begin more. */
export async function begunTasks({ runDir }: StrayOptions): Promise<string[]> {
  const [bundles, shims] = await Promise.all([unlessGone(readdir(tasksIn(runDir)), []), shimsOf(runDir)])
  return [...new Set([...bundles, ...shims.map(({ id }) => id)])]
}

/**
 * A containerd that is killed while it makes a container leaves a bundle, perhaps with its shim and process, that the next one has no
 * record of and never looks at again. `begun`: what {@link begunTasks} told before the start; `wanted`: {@link wantedTasks} since.
 */
export async function removeStrayTasks(
  options: StrayOptions,
  begun: readonly string[],
  wanted: ReadonlySet<string>,
  deps: { clock: Clock; exec: Exec; log: Log },
): Promise<void> {
  const strays = strayIds(begun, wanted)
  if (strays.length === 0) return
  const tasks = tasksIn(options.runDir)
  const shims = await shimsOf(options.runDir)
  for (const id of strays) {
    const first = Number(await unlessGone(readFile(join(tasks, id, 'init.pid'), 'utf8'), '0'))
    const pids = shims.filter((shim) => shim.id === id).map(({ pid }) => pid)
    // runc ends what it knows of and takes its cgroup away; a container that it had only begun is no container to it.
    for (const pid of pids) sendSignal(pid, 'SIGKILL')
    await deps.exec.run('runc', ['--root', join(options.runDir, 'runc', 'k8s.io'), 'delete', '--force', id])
    for (let round = 0; round < 100 && [...pids, first].some((pid) => pid > 0 && startTicksOf(pid) !== undefined); round++) {
      await deps.clock.sleep(10)
    }
    await unmountBeneath([join(tasks, id)], deps)
    for (const folder of [tasks, join(options.runDir, 'runc', 'k8s.io'), tasksIn(options.runDir, join(options.dataDir, 'root'))]) {
      // A process that is just ending may still write here, and containerd clears the same folder.
      await rm(join(folder, id), { recursive: true, force: true, maxRetries: 20, retryDelay: 20 })
    }
    deps.log.info('took away a container that a killed containerd had only begun', { id: id.slice(0, 13) })
  }
}

/**
 * Ids of all tasks that are a container's, or a sandbox's that serves. A sandbox that is not ready and holds nothing that runs is of no
 * use; where containerd was killed while it made one, its removal would leave the shim.
 */
export function wantedTasks(
  sandboxes: readonly Pick<SandboxSummary, 'id' | 'ready'>[],
  containers: readonly Pick<ContainerSummary, 'id' | 'sandboxId' | 'state'>[],
): ReadonlySet<string> {
  const inUse = new Set(containers.filter(({ state }) => state === 'running').map(({ sandboxId }) => sandboxId))
  const serving = sandboxes.filter(({ id, ready }) => ready || inUse.has(id))
  return new Set([...serving, ...containers].map(({ id }) => id))
}

/** Those that the runtime has no use for; names that are no ids are let be. */
export function strayIds(begun: readonly string[], wanted: ReadonlySet<string>): string[] {
  return begun.filter((id) => /^[0-9a-f]{64}$/.test(id) && !wanted.has(id))
}
