import { readdir, readFile, realpath, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import { sendSignal } from '../host/processes.ts'
import { mountsBeneath } from './mounts.ts'

export interface LeftoverOptions {
  dataDir: string
  runDir: string
  /** Below each hierarchy's root, such as `/ownkube-default`: everything in it is ours. */
  cgroupRoot: string
  /** Further folders to unmount beneath: pods' volumes. */
  volumeDir?: string
}

const cgroupMount = '/sys/fs/cgroup'

/**
 * Takes away what is left once containerd has been stopped or has died: shims and containers' processes, mounts, cgroups, sockets and
 * run-time state. Only what belongs to this run-time folder or this cgroup is touched. Data (images, writable layers) stays.
 */
export async function removeRuntimeLeftovers(options: LeftoverOptions, deps: { clock: Clock; exec: Exec; log: Log }): Promise<void> {
  const cgroups = await existing((await hierarchies()).map((root) => join(root, options.cgroupRoot)))
  await killAll(options, cgroups, deps.clock)
  const shimSockets = await shimSocketsOf(options.runDir)
  const { runDir, dataDir, volumeDir } = options
  await unmountBeneath([runDir, dataDir, ...(volumeDir === undefined ? [] : [volumeDir])], deps)
  for (const cgroup of cgroups) await removeCgroup(cgroup, deps.clock)
  for (const socket of shimSockets) await rm(socket, { force: true })
  for (const result of await cniResultsOf(options)) await rm(result, { force: true })
  await rm(options.runDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 })
}

/** Every cgroup hierarchy's root: the one of v2, or v1's controllers with perhaps v2 beside them. */
async function hierarchies(): Promise<string[]> {
  const entries = await readdir(cgroupMount, { withFileTypes: true })
  if (entries.some(({ name }) => name === 'cgroup.controllers')) return [cgroupMount]
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(cgroupMount, name))
}

/** Shims of this run-time folder first, so that nobody reports exits to nobody; then whatever is in our cgroups. */
async function killAll({ runDir }: LeftoverOptions, cgroups: readonly string[], clock: Clock): Promise<void> {
  for (let round = 0; round < 200; round++) {
    const pids = [...(await shimsOf(runDir)).map(({ pid }) => pid), ...(await Promise.all(cgroups.map(processesIn))).flat()]
    if (pids.length === 0) return
    refuseForeign(pids, cgroups)
    for (const pid of new Set(pids)) sendSignal(pid, 'SIGKILL')
    await clock.sleep(10)
  }
  throw new Error(`processes in ${cgroups.join(', ')} can not be killed: a device or network file system may hold them`)
}

/**
 * The kernel calls a process of another PID namespace 0, and a signal to 0 would end this program's own process group.
 * It happens where two containers with a cluster of the same name each share the machine's cgroups.
 */
export function refuseForeign(pids: readonly number[], cgroups: readonly string[]): void {
  if (!pids.includes(0)) return
  throw new Error(
    `${cgroups.join(', ')} holds processes that can't be seen from here: a cluster of the same name runs in another container, ` +
      'which shares these cgroups. Take that one down first, or give one of them another --name',
  )
}

/** containerd's shims whose `-address` is a socket beneath this folder. */
export function isShimOf(commandLine: readonly string[], runDir: string): boolean {
  const address = commandLine[commandLine.indexOf('-address') + 1] ?? ''
  return /(^|\/)containerd-shim/.test(commandLine[0] ?? '') && address.startsWith(`${runDir}/`)
}

/** Each with the id of the sandbox that it was started for. */
export async function shimsOf(runDir: string): Promise<{ pid: number; id: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const words = (await unlessGone(readFile(`/proc/${pid}/cmdline`, 'utf8'), '')).split('\0')
      return isShimOf(words, runDir) ? [{ pid, id: words[words.indexOf('-id') + 1] ?? '' }] : []
    }),
  )
  return found.flat()
}

/** Of this cgroup and of those beneath it. */
export async function processesIn(cgroup: string): Promise<number[]> {
  const text = await unlessGone(readFile(join(cgroup, 'cgroup.procs'), 'utf8'), '')
  const own = text.split('\n').filter(Boolean).map(Number)
  return [...own, ...(await Promise.all((await childGroups(cgroup)).map(processesIn))).flat()]
}

async function childGroups(cgroup: string): Promise<string[]> {
  const entries = await unlessGone(readdir(cgroup, { withFileTypes: true }), [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(cgroup, name))
}

/** From the leaves up. The kernel calls a group busy for a moment after its last process has died. */
async function removeCgroup(cgroup: string, clock: Clock): Promise<void> {
  for (const child of await childGroups(cgroup)) await removeCgroup(child, clock)
  for (let attempt = 0; ; attempt++) {
    try {
      await unlessGone(rmdir(cgroup), undefined)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempt >= 100) throw error
      await clock.sleep(10)
    }
  }
}

/** Containers' bundles; what outlives a reboot of them lies in the same place beneath the data folder's root. */
export function tasksIn(runDir: string, root: string = join(runDir, 'state')): string {
  return join(root, 'io.containerd.runtime.v2.task', 'k8s.io')
}

/** containerd's shims listen in /run/containerd/s, whatever the state folder; each bundle names its own socket. */
async function shimSocketsOf(runDir: string): Promise<string[]> {
  const tasks = tasksIn(runDir)
  const ids = await unlessGone(readdir(tasks), [])
  const addresses = await Promise.all(ids.map((id) => unlessGone(readFile(join(tasks, id, 'address'), 'utf8'), '')))
  return addresses.map((address) => address.replace(/^unix:\/\//, '')).filter((path) => path.startsWith('/run/containerd/s/'))
}

/** Where libcni remembers what it set up for a sandbox, the loopback interface too; the folder can't be chosen through containerd. */
const cniResults = '/var/lib/cni/results'

async function cniResultsOf({ dataDir, runDir }: LeftoverOptions): Promise<string[]> {
  const folders = [join(dataDir, 'root', 'io.containerd.grpc.v1.cri', 'sandboxes'), tasksIn(runDir)]
  const ids = new Set((await Promise.all(folders.map((folder) => unlessGone(readdir(folder), [])))).flat())
  const names = await unlessGone(readdir(cniResults), [])
  return names.filter((name) => ids.has(/-([0-9a-f]{64})-[^-]+$/.exec(name)?.[1] ?? '')).map((name) => join(cniResults, name))
}

export async function unmountBeneath(directories: readonly string[], { exec, log }: { exec: Exec; log: Log }): Promise<void> {
  const paths = await Promise.all(directories.map((directory) => unlessGone(realpath(directory), undefined)))
  const real = paths.filter((path) => path !== undefined)
  // Mounts may lie over one another: a few rounds until none is left.
  for (let round = 0; round < 5; round++) {
    const mounts = mountsBeneath(await readFile('/proc/self/mountinfo', 'utf8'), real)
    if (mounts.length === 0) return
    const { code, stderr } = await exec.run('umount', round === 0 ? mounts : ['--lazy', ...mounts])
    if (code !== 0) log.debug('some mounts were busy', { output: stderr.trim() })
  }
  const left = mountsBeneath(await readFile('/proc/self/mountinfo', 'utf8'), real)
  if (left.length > 0) throw new Error(`can not unmount ${left.join(', ')}`)
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => unlessGone(readdir(path), undefined)))
  return paths.filter((_, i) => found[i] !== undefined)
}

/** What vanishes while it is being looked at is what was wanted. ENODEV: a cgroup's file after its removal; ESRCH: a process. */
export async function unlessGone<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ESRCH', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? '')) return otherwise
    throw error
  }
}
