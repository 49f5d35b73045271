import { createReadStream, existsSync, watch } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { ClusterConfig } from '../cluster/config.ts'
import { pathsOf } from '../cluster/paths.ts'
import { logFileOf } from '../cluster/up.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandError } from './failure.ts'
import { existingCluster, type NamedOptions } from './operator.ts'

type Process = 'server' | 'agent' | 'containerd'

/** Which process writes a component's lines; a part of a process is found by its name in the line. */
const sources: Readonly<Record<string, { process: Process; part?: string }>> = {
  server: { process: 'server' },
  agent: { process: 'agent' },
  containerd: { process: 'containerd' },
  apiserver: { process: 'server', part: 'apiserver' },
  storage: { process: 'server', part: 'storage' },
  controllers: { process: 'server', part: 'controllers' },
  scheduler: { process: 'server', part: 'scheduler' },
  kubelet: { process: 'agent', part: 'kubelet' },
  proxy: { process: 'agent', part: 'proxy' },
}

/** Pure: whether a line belongs to a part, such as `... INFO  kubelet: text`. Lines of a stack follow the line before. */
function belongsTo(line: string, part: string | undefined): boolean {
  return part === undefined || new RegExp(`^\\S+ [A-Z]+ +${part}[:/.]`).test(line)
}

function nearest(word: string): string | undefined {
  return Object.keys(sources).find((name) => name.startsWith(word.slice(0, 3)) || name.includes(word) || word.includes(name))
}

export async function logsCommand(
  component: string | undefined,
  options: NamedOptions & { follow?: boolean; tail?: number },
): Promise<void> {
  if (component !== undefined && !(component in sources)) {
    const guess = nearest(component)
    throw new CommandError(
      `there is no component ${component}${guess ? `; did you mean ${guess}?` : `: it is one of ${Object.keys(sources).join(', ')}`}`,
      exitCodes.usage,
    )
  }
  const config = await existingCluster(options)
  const stop = new AbortController()
  if (options.follow) process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort())
  else stop.abort()
  await followLogs(config, component, { tail: options.tail, signal: stop.signal })
}

/** Prints what is there (or its last lines), then what comes, until the signal. */
export async function followLogs(
  config: ClusterConfig,
  component: string | undefined,
  options: { tail: number | undefined; signal: AbortSignal },
): Promise<void> {
  const wanted =
    component === undefined ? (['server', 'agent'] as const).map((process) => ({ process, part: undefined })) : [sources[component]]
  await Promise.all(
    wanted.map(async (source) => {
      if (!source) return
      const file = logFileOf(config, source.process)
      if (!existsSync(file))
        throw new CommandError(`there is no log ${file}: the cluster has not run yet (data: ${pathsOf(config).logs})`, exitCodes.notRunning)
      await printFile(file, source.part, options)
    }),
  )
}

async function printFile(
  file: string,
  part: string | undefined,
  { tail, signal }: { tail: number | undefined; signal: AbortSignal },
): Promise<void> {
  let offset = (await stat(file)).size
  await printPast(file, offset, part, tail)
  if (signal.aborted) return
  let rest = ''
  let reading = Promise.resolve()
  const readMore = async (): Promise<void> => {
    const handle = await open(file)
    try {
      const { size } = await handle.stat()
      if (size < offset) offset = 0 // rotated
      if (size === offset) return
      const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(size - offset), position: offset })
      offset += bytesRead
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (belongsTo(line, part)) process.stdout.write(`${line}\n`)
    } finally {
      await handle.close()
    }
  }
  await new Promise<void>((resolve) => {
    const watcher = watch(file, () => {
      reading = reading.then(readMore)
    })
    signal.addEventListener(
      'abort',
      () => {
        watcher.close()
        resolve()
      },
      { once: true },
    )
  })
  await reading
}

async function printPast(file: string, end: number, part: string | undefined, tail: number | undefined): Promise<void> {
  if (end === 0 || tail === 0) return
  const { createInterface } = await import('node:readline')
  const lines: string[] = []
  for await (const line of createInterface({ input: createReadStream(file, { end: end - 1 }) })) {
    if (!belongsTo(line, part)) continue
    if (tail === undefined) process.stdout.write(`${line}\n`)
    else {
      lines.push(line)
      if (lines.length > tail) lines.shift()
    }
  }
  for (const line of lines) process.stdout.write(`${line}\n`)
}
