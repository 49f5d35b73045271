import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readIfThere } from '../host/files.ts'
import type { Log } from '../host/log.ts'

const cgroupMount = '/sys/fs/cgroup'
/** Every pod's cgroup is told a share of the CPU; limits of memory and the notice of an OOM kill need the other. */
const neededControllers = ['cpu', 'memory'] as const
/** Where a container's own processes make room: the name that Docker in Docker, kind and k3s use for the same. */
const leafName = 'init'

/** This machine can't hold containers to their limits; the message says why and what to do. */
export class CgroupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CgroupError'
  }
}

/**
 * The controllers that runc can use: those of version 2 where it is what lies at /sys/fs/cgroup, otherwise all that version 1 has mounted.
 * `unified`: text of /sys/fs/cgroup/cgroup.controllers, where there is one; `mountinfo`: /proc/self/mountinfo (proc(5)).
 */
export function controllersOf(unified: string | undefined, mountinfo: string): string[] {
  if (unified !== undefined) return words(unified)
  const mounts = mountinfo.split('\n').map((line) => (line.split(' - ')[1] ?? '').split(' '))
  return mounts.filter(([type]) => type === 'cgroup').flatMap(([, , options = '']) => options.split(','))
}

/** Throws {@link CgroupError} before anything is begun where no pod could start. */
export async function requireControllers(): Promise<void> {
  const unified = await readIfThere(join(cgroupMount, 'cgroup.controllers'))
  const reason = lackOfControllers(unified, await readFile('/proc/self/mountinfo', 'utf8'))
  if (reason !== undefined) throw new CgroupError(reason)
}

/** Undefined: nothing is lacking. */
export function lackOfControllers(unified: string | undefined, mountinfo: string): string | undefined {
  const there = controllersOf(unified, mountinfo)
  const missing = neededControllers.filter((name) => !there.includes(name))
  if (missing.length === 0) return undefined
  const where =
    unified === undefined
      ? 'no hierarchy of version 1 is mounted with it'
      : `version 2 at ${cgroupMount} offers: ${there.join(' ') || 'none'}`
  return (
    `pods need the cgroup controllers ${neededControllers.join(' and ')}, and ${missing.join(' and ')} can't be used here (${where}). ` +
    "On a machine, look for 'cgroup_disable' on the kernel's command line, and at 'mount | grep cgroup'; a container must be given them, as --privileged does."
  )
}

/**
 * Lets version 2 hand its controllers down to pods' cgroups; version 1 needs nothing. Only a machine's true root may hold processes and
 * hand controllers down as well (https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint): in a container with
 * a cgroup namespace, the processes at its root move into a leaf first. They stay there. Throws {@link CgroupError}.
 */
export async function handDownControllers(deps: { log: Log }, root: string = cgroupMount): Promise<void> {
  const unified = await readIfThere(join(root, 'cgroup.controllers'))
  if (unified === undefined) return
  const control = join(root, 'cgroup.subtree_control')
  const handed = words(await readFile(control, 'utf8'))
  const wanted = neededControllers.filter((name) => !handed.includes(name))
  if (wanted.length === 0) return
  const write = async (sign: '+' | '-', names: readonly string[]): Promise<void> => {
    if (names.length > 0) await writeFile(control, names.map((name) => `${sign}${name}`).join(' '))
  }
  // A few rounds: processes may start others while they are moved.
  for (let round = 0; round < 10; round++) {
    try {
      await write('+', round === 0 ? wanted : [...handed, ...wanted])
      return
    } catch (error) {
      if (!isOccupied(error)) throw notHandedDown(control, error)
    }
    if (round === 0) {
      deps.log.info('processes of this container move into a cgroup of their own, so that pods can be limited', { leaf: leafName })
      // What threads can share may have been handed down already, by runc's failed try for one: then no leaf takes a process.
      await write('-', handed)
    }
    await moveProcesses(root, join(root, leafName))
  }
  throw new CgroupError(`${control} can't be written: processes that can't be moved from here lie in ${root}`)
}

/** ENOTSUP: controllers that threads can share have been handed down, which makes the group a root of threads while it holds any. */
const isOccupied = (error: unknown): boolean => ['EBUSY', 'ENOTSUP', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? '')

function notHandedDown(control: string, cause: unknown): CgroupError {
  const forbidden = ['EROFS', 'EACCES', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '')
  return new CgroupError(`${control} can't be written${forbidden ? ': a container needs --privileged for this' : ''}`, { cause })
}

async function moveProcesses(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const pid of words(await readFile(join(from, 'cgroup.procs'), 'utf8'))) {
    if (pid === '0') continue // of another PID namespace; written here, it would mean this process
    try {
      await writeFile(join(to, 'cgroup.procs'), pid)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // it has ended meanwhile
    }
  }
}

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean)
