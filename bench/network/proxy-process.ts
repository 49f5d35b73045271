/** A process that is only the Service proxy, told by one argument what to be; sends a {@link Loaded}, then a {@link Synced} for every change. */
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
}

const options = JSON.parse(process.argv[2] as string) as ProxyProcessOptions
const arrivals: Arrivals = { listed: 0, event: 0 }
const client = markedClient(httpClient({ ...options.api, userAgent: 'bench' }), arrivals)
const say = (message: Loaded | Synced): void => void process.send?.(message)
let isLoaded = false
const loaded = (): void => {
  isLoaded = true
  say({ loadMs: monotonicMs() - arrivals.listed, sinceStartMs: performance.now() })
}
const synced = (): void => {
  if (isLoaded) say({ ms: monotonicMs() - arrivals.event })
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
