/** A process that is only the Service proxy, told by one argument what to be; sends a {@link Loaded}, then a {@link Synced} for every change. */
import { readFileSync } from 'node:fs'
import { httpClient } from '../../src/client/http-client.ts'
import { type Log, silentLog } from '../../src/host/log.ts'
import { monotonicMs } from '../statistics.ts'
import type { BackEnd } from './back-ends.ts'
import { runLayoutProxy } from './layout-proxy.ts'
import { type Arrivals, markedClient } from './marked-client.ts'
import { startOwnProxy } from './own-proxy.ts'

export interface ProxyProcessOptions {
  readonly api: { readonly server: string; readonly ca: string; readonly cert: string; readonly key: string }
  readonly backEnd: BackEnd
  readonly whole: boolean
  readonly cgroupPath: string | undefined
}

export interface Loaded {
  /** From the last object of the lists to the rules in the kernel. */
  readonly loadMs: number
  /** From the process's start, connecting and listing included. */
  readonly sinceStartMs: number
}

export interface Synced {
  /** From the event to the rules in the kernel. */
  readonly ms: number
  /** Of that, for how long another process had the processor that this one was ready to run on. */
  readonly waitedMs: number
}

const options = JSON.parse(process.argv[2] as string) as ProxyProcessOptions
const arrivals: Arrivals = { listed: 0, event: 0, waitedMs: 0 }
const client = markedClient(httpClient({ ...options.api, userAgent: 'bench' }), arrivals, () => waitedMs())
const say = (message: Loaded | Synced): void => void process.send?.(message)
let isLoaded = false
let load: Loaded | undefined
/** What this process's main thread has waited for a processor, ever; 0 where the kernel doesn't tell. */
const waitedMs = (): number => Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1] ?? 0) / 1e6
/** The first rules are in the kernel. */
const programmed = (): void => {
  load ??= { loadMs: monotonicMs() - arrivals.listed, sinceStartMs: performance.now() }
}
const loaded = (): void => {
  programmed()
  isLoaded = true
  say(load as Loaded)
}
const synced = (): void => {
  const { event, waitedMs: before } = arrivals
  if (isLoaded) say({ ms: monotonicMs() - event, waitedMs: waitedMs() - before })
  else programmed()
}

/** The proxy says of every change that reached the kernel that it did. */
const hearingLog: Log = {
  ...silentLog,
  debug(message) {
    if (message === 'rules changed') synced()
  },
  warn: (message, fields) => console.error(message, fields),
  error: (message, fields) => console.error(message, fields),
  named: () => hearingLog,
}

if (options.backEnd.by === 'ownkube') {
  await startOwnProxy(options.backEnd, { client, log: hearingLog, cgroupPath: options.cgroupPath })
  loaded()
} else await runLayoutProxy({ client, backEnd: options.backEnd, whole: options.whole, loaded, synced })
