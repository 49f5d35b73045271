import { createInterface } from 'node:readline'
import { percentile } from '../statistics.ts'
import { type Operation, requestsOf, type WireRequest } from './operations.ts'
import { type Endpoint, openRequesters, type Protocol, type Requester } from './requester.ts'

/** What the bench asks for, as a line of JSON on standard input. */
export interface LoadTask {
  readonly endpoint: Endpoint
  readonly protocol: Protocol
  readonly operation: Operation
  readonly clients: number
  readonly forMs: number
  /** Open loop: so many begin each second, whether or not those before have been answered. Undefined: each client asks when it has its answer. */
  readonly rate?: number
  /** A pod as the server gives it out, and how many there are. */
  readonly stored: object
  readonly count: number
  /** The number of the first request: those that create need new ones. */
  readonly first: number
  /** Everything is asked of the floor instead, which answers with so many bytes. */
  readonly floorBytes?: number
}

/** What it answers, as a line of JSON on standard output. Times are of milliseconds; with `rate` from when the request was due. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
  /** Of the last answer. */
  readonly bytes: number
}

interface Tally {
  readonly times: number[]
  bytes: number
}

async function ask(requester: Requester, request: WireRequest, fromMs: number, tally: Tally): Promise<void> {
  const { code, body } = await requester.ask(request)
  if (code >= 300) throw new Error(`${request.method} ${request.path} was answered ${code}: ${body.toString().slice(0, 500)}`)
  tally.times.push(performance.now() - fromMs)
  tally.bytes = body.byteLength
}

async function closedLoop(requesters: readonly Requester[], next: () => WireRequest, forMs: number, tally: Tally): Promise<void> {
  const until = performance.now() + forMs
  const client = async (requester: Requester): Promise<void> => {
    while (performance.now() < until) await ask(requester, next(), performance.now(), tally)
  }
  await Promise.all(requesters.map(client))
}

/** Waits by timer for most of the time and by turns for the rest: timers are late by up to a millisecond. */
async function untilDue(dueMs: number): Promise<void> {
  const left = dueMs - performance.now()
  if (left > 2) await new Promise((resolve) => setTimeout(resolve, left - 1.5))
  while (performance.now() < dueMs) await new Promise((resolve) => setImmediate(resolve))
}

async function openLoop(requesters: readonly Requester[], next: () => WireRequest, task: LoadTask, tally: Tally): Promise<void> {
  const { rate = 1, forMs } = task
  const begunMs = performance.now()
  const total = Math.round((rate * forMs) / 1000)
  const asked: Promise<void>[] = []
  for (let i = 0; i < total; i++) {
    const dueMs = begunMs + (i * 1000) / rate
    await untilDue(dueMs)
    asked.push(ask(requesters[i % requesters.length] as Requester, next(), dueMs, tally))
  }
  await Promise.all(asked)
}

async function load(task: LoadTask): Promise<LoadResult> {
  const { requesters, close } = await openRequesters(task.protocol, task.endpoint, task.clients)
  const made = requestsOf(task.operation, task.stored, task.count, task.first)
  const next = task.floorBytes === undefined ? made : (): WireRequest => ({ ...made(), path: `/${task.floorBytes}` })
  const tally: Tally = { times: [], bytes: 0 }
  const begunMs = performance.now()
  try {
    if (task.rate === undefined) await closedLoop(requesters, next, task.forMs, tally)
    else await openLoop(requesters, next, task, tally)
  } finally {
    close()
  }
  const seconds = (performance.now() - begunMs) / 1000
  const { times, bytes } = tally
  return { requests: times.length, seconds, p50: percentile(times, 0.5), p99: percentile(times, 0.99), worst: percentile(times, 1), bytes }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await load(JSON.parse(line) as LoadTask).catch((error: Error) => ({ error: error.message }))
  console.log(JSON.stringify(answer))
}
