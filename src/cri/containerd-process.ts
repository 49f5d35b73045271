import { access, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../host/clock.ts'
import { type Exec, ExecError } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import { isAlive, type ProcessMark, runningProcess, startDetached, stopProcess } from '../host/processes.ts'
import { connectContainerd } from './containerd.ts'
import { renderContainerdConfig, snapshotterIn } from './containerd-config.ts'
import { RuntimeError } from './runtime.ts'
import { begunTasks, removeStrayTasks, wantedTasks } from './stray-tasks.ts'

export { removeRuntimeLeftovers } from './runtime-leftovers.ts'

export interface ContainerdOptions {
  /** Default: `containerd` from the PATH. */
  binary?: string
  /** Images and containers: outlives reboots. */
  dataDir: string
  /** Socket, pid file, containers' state. */
  runDir: string
  /** The pause image's name. */
  sandboxImage: string
  /** Where CNI plugins may lie: the first folder that holds them all is taken. */
  cniBinDirs: readonly string[]
  cniConfDir: string
  logFile: string
}

export interface ContainerdDeps {
  clock: Clock
  exec: Exec
  log: Log
}

const startTimeoutMs = 30_000
const stopGraceMs = 10_000
/** What a pod network needs of the CNI plugins. */
const cniPlugins = ['bridge', 'host-local', 'loopback', 'portmap'] as const

export function containerdSocketIn(runDir: string): string {
  return join(runDir, 'containerd.sock')
}
const pidFileIn = (runDir: string): string => join(runDir, 'containerd.pid')
const begunIn = (runDir: string): string => join(runDir, 'begun')
const configIn = (dataDir: string): string => join(dataDir, 'config.toml')

/**
 * Starts our own containerd, detached, and returns once CRI answers; one that runs already with the same configuration is kept.
 * Containers outlive it: their shims don't depend on it. Throws with the end of its log when it doesn't come up.
 */
export async function startContainerd(options: ContainerdOptions, deps: ContainerdDeps): Promise<{ pid: number; socket: string }> {
  const { dataDir, runDir } = options
  const socket = containerdSocketIn(runDir)
  // sun_path holds 108 bytes, and containerd makes a second socket with `.ttrpc` behind the name.
  if (Buffer.byteLength(socket) > 100) throw new Error(`the path of containerd's socket is too long for the kernel: ${socket}`)
  await mkdir(join(dataDir, 'registries'), { recursive: true, mode: 0o711 })
  await mkdir(runDir, { recursive: true, mode: 0o711 })
  const before = await textOf(configIn(dataDir))
  const config = renderContainerdConfig({
    ...{ dataDir, runDir, socket, sandboxImage: options.sandboxImage, cniConfDir: options.cniConfDir },
    cniBinDir: await cniBinDir(options.cniBinDirs),
    snapshotter: snapshotterIn(before) ?? (await chooseSnapshotter(dataDir, deps)),
  })
  const running = await runningProcess(pidFileIn(runDir))
  if (running) {
    if (config === before && (await answers(socket, running, 5_000, deps))) {
      await finishCleaning(options, running, deps)
      return { pid: running.pid, socket }
    }
    deps.log.info('containerd is started anew', { reason: config === before ? 'it does not answer' : 'its configuration has changed' })
    await stopProcess(running, stopGraceMs, deps.clock)
  }
  await writeFile(configIn(dataDir), config, { mode: 0o600 })
  await rm(socket, { force: true })
  // Kept in a file until it is dealt with: whoever starts containerd may be killed in between.
  await writeFile(begunIn(runDir), (await begunTasks(options)).join('\n'))
  const logStart = await sizeOf(options.logFile)
  const mark = await startDetached({
    program: options.binary ?? 'containerd',
    args: ['--config', configIn(dataDir)],
    env: { PATH: searchPath() },
    logFile: options.logFile,
    pidFile: pidFileIn(runDir),
  })
  if (!(await answers(socket, mark, startTimeoutMs, deps))) {
    const reason = isAlive(mark) ? `did not answer within ${startTimeoutMs / 1000} s` : 'ended at once'
    await stopProcess(mark, 1_000, deps.clock)
    throw new Error(`containerd ${reason}; the end of ${options.logFile}:\n${await tailOf(options.logFile, logStart)}`)
  }
  await finishCleaning(options, mark, deps)
  return { pid: mark.pid, socket }
}

async function finishCleaning(options: ContainerdOptions, mark: ProcessMark, deps: ContainerdDeps): Promise<void> {
  const begun = (await textOf(begunIn(options.runDir))).split('\n').filter(Boolean)
  if (begun.length > 0) await removeStrayTasks(options, begun, await wantedIds(containerdSocketIn(options.runDir), mark, deps), deps)
  await rm(begunIn(options.runDir), { force: true })
}

/** The tasks that CRI has a use for, once it has read its records. */
async function wantedIds(socket: string, mark: ProcessMark, { clock, log }: ContainerdDeps): Promise<ReadonlySet<string>> {
  const runtime = connectContainerd({ socket, clock, log })
  const deadline = clock.monotonic() + startTimeoutMs
  try {
    for (;;) {
      try {
        const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()])
        return wantedTasks(sandboxes, containers)
      } catch (error) {
        if (!(error instanceof RuntimeError) || !isAlive(mark) || clock.monotonic() > deadline) throw error
        await clock.sleep(10)
      }
    }
  } finally {
    runtime.close()
  }
}

/** Ends containerd itself; containers run on. Nothing to do is fine. */
export async function stopContainerd(options: { runDir: string }, deps: { clock: Clock }): Promise<void> {
  const mark = await runningProcess(pidFileIn(options.runDir))
  if (mark) await stopProcess(mark, stopGraceMs, deps.clock)
  const socket = containerdSocketIn(options.runDir)
  for (const file of [pidFileIn(options.runDir), socket, `${socket}.ttrpc`]) await rm(file, { force: true })
}

/** containerd, runc and CNI plugins call programs that a user's PATH often lacks. */
function searchPath(): string {
  return `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`
}

/** Asks until CRI answers (true), or the process ends or the time is up (false). */
async function answers(socket: string, mark: ProcessMark, timeoutMs: number, { clock, log }: ContainerdDeps): Promise<boolean> {
  const runtime = connectContainerd({ socket, clock, log })
  const deadline = clock.monotonic() + timeoutMs
  try {
    while (isAlive(mark) && clock.monotonic() < deadline) {
      try {
        await runtime.version()
        return true
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error
        await clock.sleep(10)
      }
    }
    return false
  } finally {
    runtime.close()
  }
}

async function cniBinDir(candidates: readonly string[]): Promise<string> {
  for (const directory of candidates) {
    const found = await Promise.all(cniPlugins.map((plugin) => exists(join(directory, plugin))))
    if (found.every(Boolean)) return directory
  }
  throw new Error(
    `no folder of ${candidates.join(', ')} holds the CNI plugins ${cniPlugins.join(', ')}: install containernetworking-plugins`,
  )
}

/** overlayfs wherever the kernel can mount it over the data folder's file system; a container's own overlay, for one, can't carry another. */
async function chooseSnapshotter(dataDir: string, { exec, log }: ContainerdDeps): Promise<'overlayfs' | 'native'> {
  const probe = join(dataDir, 'overlay-probe')
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(probe, name)) as [
    string,
    string,
    string,
    string,
  ]
  for (const directory of [lower, upper, work, merged]) await mkdir(directory, { recursive: true })
  try {
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
    const mounted = await exec.run('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged])
    if (mounted.code === 0) {
      await exec.run('umount', [merged])
      return 'overlayfs'
    }
    log.warn('overlayfs can not be mounted here: images are copied instead, which is slower', { reason: mounted.stderr.trim() })
    return 'native'
  } catch (error) {
    if (!(error instanceof ExecError)) throw error
    log.warn('whether overlayfs works here could not be tried', { error })
    return 'native'
  } finally {
    await rm(probe, { recursive: true, force: true })
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await exists(path)) ? (await stat(path)).size : 0
}

/** The last lines written after `start`. */
async function tailOf(path: string, start: number): Promise<string> {
  const file = await open(path)
  try {
    const size = (await file.stat()).size
    const from = Math.max(start, size - 4_096)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(size - from), position: from })
    return buffer.toString('utf8', 0, bytesRead).trim()
  } finally {
    await file.close()
  }
}
