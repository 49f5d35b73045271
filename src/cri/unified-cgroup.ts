import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { type LeftoverOptions, processesIn, shimsOf } from './runtime-leftovers.ts'

/** Where the one hierarchy of cgroup version 2 is mounted: at /sys/fs/cgroup, or somewhere beside version 1. `mountinfo`: proc(5). */
export function unifiedMountIn(mountinfo: string): { readonly path: string; readonly besideVersion1: boolean } | undefined {
  const mounts = mountinfo.split('\n').map((line) => {
    const [own = '', source = ''] = line.split(' - ')
    return { path: own.split(' ')[4] ?? '', type: source.split(' ')[0] }
  })
  const unified = mounts.find(({ type }) => type === 'cgroup2')
  return unified && { path: unified.path, besideVersion1: mounts.some(({ type }) => type === 'cgroup') }
}

export interface UnifiedCgroup {
  readonly path: string
  /** Version 1 is what runc limits pods by. */
  readonly besideVersion1: boolean
}

/** The cgroup of version 2 for a cluster's pods, there or not; undefined where the machine has no version 2. */
export async function unifiedCgroup(cgroupRoot: string): Promise<UnifiedCgroup | undefined> {
  const mount = unifiedMountIn(await readFile('/proc/self/mountinfo', 'utf8'))
  return mount && { ...mount, path: join(mount.path, cgroupRoot) }
}

/** Where kubelets of other clusters put pods: by systemd, by themselves, and in kind's nodes. */
const kubeletCgroups = ['kubepods.slice', 'kubepods', 'kubelet.slice/kubelet-kubepods.slice', 'kubelet/kubepods'] as const

/** The cgroup of version 2 that holds the pods of whatever kubelet runs here; undefined where there is none. */
export async function kubeletPodsCgroup(): Promise<string | undefined> {
  const found = await Promise.all(kubeletCgroups.map((path) => unifiedCgroup(path)))
  return found.find((cgroup) => cgroup && !cgroup.besideVersion1 && existsSync(cgroup.path))?.path
}

/**
 * Makes the cgroup and sees to it that pods are in it. Beside version 1, runc leaves pods in the group of version 2 that containerd is in:
 * there containerd moves into it with all that it has begun, and what it begins later is born there.
 */
export async function gatherPods(
  { path, besideVersion1 }: UnifiedCgroup,
  options: Pick<LeftoverOptions, 'runDir' | 'cgroupRoot'> & { containerd: number },
  deps: { clock: Clock; log: Log },
): Promise<void> {
  await mkdir(path, { recursive: true })
  if (besideVersion1) await gather(path, options, deps)
}

/** A few rounds: processes may start others while they are moved. */
async function gather(
  path: string,
  { runDir, cgroupRoot, containerd }: Parameters<typeof gatherPods>[1],
  { clock, log }: { clock: Clock; log: Log },
): Promise<void> {
  const byVersion1 = join('/sys/fs/cgroup/pids', cgroupRoot)
  for (let round = 0; round < 20; round++) {
    const there = new Set(await processesIn(path))
    const shims = (await shimsOf(runDir)).map(({ pid }) => pid)
    const missing = [containerd, ...shims, ...(await processesIn(byVersion1))].filter((pid) => !there.has(pid))
    if (missing.length === 0) return
    for (const pid of missing) await moveInto(path, pid)
    await clock.sleep(1)
  }
  log.warn('processes of pods could not all be moved into their cgroup of version 2', { cgroup: path })
}

async function moveInto(path: string, pid: number): Promise<void> {
  try {
    await writeFile(join(path, 'cgroup.procs'), String(pid))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // it has ended meanwhile
  }
}
