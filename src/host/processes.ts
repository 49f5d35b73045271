import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { link, rm, writeFile } from 'node:fs/promises'
import type { Clock } from './clock.ts'
import { readIfThere } from './files.ts'

/**
 * A process that outlives its starter, known by its pid and its start time: pids are used again, the pair is not.
 * Start time is in clock ticks since boot (/proc/PID/stat, field 22).
 */
export interface ProcessMark {
  pid: number
  startTicks: string
}

/** Undefined where there is no such process, or only its zombie. */
export function startTicksOf(pid: number): string | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined // gone: the only thing that makes this file unreadable to root
  }
  // The command, in parentheses, may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? undefined : fields[19]
}

export function isAlive(mark: ProcessMark): boolean {
  return startTicksOf(mark.pid) === mark.startTicks
}

/** Undefined for no file, or one that a crash left half-written. */
export async function readMark(path: string): Promise<ProcessMark | undefined> {
  const found = /^(\d+) (\d+)\n$/.exec((await readIfThere(path)) ?? '')
  return found ? { pid: Number(found[1]), startTicks: found[2] as string } : undefined
}

/** The process that a pid file names, if it is still that one. */
export async function runningProcess(path: string): Promise<ProcessMark | undefined> {
  const mark = await readMark(path)
  return mark && isAlive(mark) ? mark : undefined
}

async function writeMark(path: string, mark: ProcessMark): Promise<void> {
  await writeFile(path, `${mark.pid} ${mark.startTicks}\n`, { mode: 0o644 })
}

/** Starts a program in a session of its own, its output appended to a file, and leaves its mark. */
export async function startDetached(options: {
  program: string
  args: readonly string[]
  env: Record<string, string>
  logFile: string
  pidFile: string
}): Promise<ProcessMark> {
  const log = openSync(options.logFile, 'a', 0o640)
  try {
    const child = spawn(options.program, options.args, {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, ...options.env },
    })
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    child.unref()
    const pid = child.pid as number
    const mark = { pid, startTicks: startTicksOf(pid) ?? '0' }
    await writeMark(options.pidFile, mark)
    return mark
  } finally {
    closeSync(log)
  }
}

/** Asks a process to end, kills it after `graceMs`, and returns once it is gone. */
export async function stopProcess(mark: ProcessMark, graceMs: number, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + graceMs
  let signal: NodeJS.Signals = 'SIGTERM'
  for (;;) {
    if (!isAlive(mark)) return
    if (signal !== 'SIGCONT') sendSignal(mark.pid, signal)
    signal = 'SIGCONT'
    await clock.sleep(20)
    if (clock.monotonic() > deadline && isAlive(mark)) {
      sendSignal(mark.pid, 'SIGKILL')
      await clock.sleep(20)
    }
  }
}

/** A process that ended in the meantime is what was wanted. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export interface LockOptions {
  waitMs: number
  clock: Clock
  /** Thrown when somebody else holds it for longer than `waitMs`. */
  busy: (pid: number) => Error
  /** Hears once of whom is waited for. */
  waiting?: (pid: number) => void
}

/** Holds a lock file while `work` runs: one at a time on a machine. A lock whose holder died is taken over. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const deadline = options.clock.monotonic() + options.waitMs
  const own = `${path}.${process.pid}.${nextLock++}`
  await writeMark(own, { pid: process.pid, startTicks: startTicksOf(process.pid) ?? '0' })
  try {
    for (let told = false; !(await linked(own, path)); ) {
      const holder = await readMark(path)
      if (holder && isAlive(holder)) {
        if (options.clock.monotonic() > deadline) throw options.busy(holder.pid)
        if (!told) options.waiting?.(holder.pid)
        told = true
        await options.clock.sleep(50)
      } else await removeDeadLock(path, holder, options)
    }
  } finally {
    await rm(own, { force: true })
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

let nextLock = 0

/** A hard link makes the lock with its holder's mark in it, at once: nobody ever sees a lock without a holder. */
async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
}

/**
 * Takes a dead holder's lock away, as one of several may have found out that it is dead: under a lock that is named after him, so that
 * nobody takes away a lock that another has meanwhile put in its place.
 */
async function removeDeadLock(path: string, dead: ProcessMark | undefined, options: LockOptions): Promise<void> {
  const name = dead ? `${dead.pid}-${dead.startTicks}` : 'nobody'
  await withLock(`${path}.of-${name}`, options, async () => {
    const still = await readMark(path)
    if (still?.pid === dead?.pid && still?.startTicks === dead?.startTicks) await rm(path, { force: true })
  })
}
