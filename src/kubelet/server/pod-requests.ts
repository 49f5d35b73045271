import type { ContainerStatus } from '../../cri/runtime.ts'
import { statusesOf } from '../container-statuses.ts'
import { specOf } from '../kill-container.ts'
import type { LogQuery } from '../logs/read-log.ts'
import { attemptsOf } from '../observed-pod.ts'
import type { PodManager } from '../pod-manager.ts'
import type { PodWorker } from '../pod-worker.ts'

/** An answer other than success, for the client as it stands. */
export class RequestError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.name = 'RequestError'
    this.code = code
  }
}

export function podFor(manager: PodManager, namespace: string, name: string, uid?: string): PodWorker {
  const worker = manager.find(namespace, name)
  if (!worker || (uid !== undefined && worker.pod.metadata.uid !== uid)) throw new RequestError(404, `pod "${name}" not found`)
  return worker
}

/** The running container that exec and attach go to. */
export function runningContainer(worker: PodWorker, name: string): ContainerStatus {
  if (!specOf(worker.pod, name)) throw new RequestError(404, `container not found ("${name}")`)
  const running = attemptsOf(worker.observed, name).find(({ state }) => state === 'running')
  if (!running) throw new RequestError(404, `container not found ("${name}")`)
  return running
}

/** The attempt whose log is asked for, in upstream's words where there is none. */
export function loggedContainer(worker: PodWorker, name: string, previous: boolean): ContainerStatus {
  const { pod, observed } = worker
  const where = `in pod "${pod.metadata.name}"`
  if (!specOf(pod, name)) throw new RequestError(400, `container "${name}" ${where} is not available`)
  const [latest, before] = attemptsOf(observed, name)
  if (previous) {
    // A container held back after its end counts as not yet started: its last end is the previous one.
    const ended = latest?.state === 'exited' && isWaiting(worker, name) ? latest : before
    if (ended?.state !== 'exited') throw new RequestError(400, `previous terminated container "${name}" ${where} not found`)
    return ended
  }
  if (latest?.state === 'running' || latest?.state === 'exited') return latest
  if (before?.state === 'exited') return before
  const waiting = statusesOf(pod).find((status) => status.name === name)?.state?.waiting
  const reason = waiting?.reason ?? 'ContainerCreating'
  if (reason === 'ErrImagePull' || reason === 'ImagePullBackOff') {
    const what = reason === 'ErrImagePull' ? "image can't be pulled" : 'trying and failing to pull image'
    throw new RequestError(400, `container "${name}" ${where} is waiting to start: ${what}`)
  }
  throw new RequestError(400, `container "${name}" ${where} is waiting to start: ${reason}`)
}

function isWaiting({ pod }: PodWorker, name: string): boolean {
  return statusesOf(pod).some((status) => status.name === name && status.state?.waiting !== undefined)
}

/** As the API server reads it: Python's client writes `True`. */
const flag = (text: string | null): boolean => text !== null && text !== '0' && text.toLowerCase() !== 'false'

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^\d+$/.test(text)) throw new RequestError(400, `${name}: ${JSON.stringify(text)} must be a non-negative whole number`)
  return Number(text)
}

/** PodLogOptions as they come in a query. */
export function logQueryOf(query: URLSearchParams, now: number): LogQuery & { previous: boolean } {
  const tailLines = wholeNumber(query, 'tailLines')
  const limitBytes = wholeNumber(query, 'limitBytes')
  const sinceSeconds = wholeNumber(query, 'sinceSeconds')
  const sinceTime = query.get('sinceTime')
  const sinceMs = sinceSeconds !== undefined ? now - sinceSeconds * 1000 : sinceTime ? Date.parse(sinceTime) : undefined
  if (Number.isNaN(sinceMs)) throw new RequestError(400, `sinceTime: ${JSON.stringify(sinceTime)} is not a time`)
  const stream = query.get('stream')?.toLowerCase()
  return {
    ...{ follow: flag(query.get('follow')), timestamps: flag(query.get('timestamps')), previous: flag(query.get('previous')) },
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(stream === 'stdout' || stream === 'stderr' ? { stream } : {}),
  }
}

/** What exec and attach ask for; the kubelet's own names (input, output, error) and the API's (stdin, stdout, stderr). */
export function streamsOf(query: URLSearchParams): { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean } {
  const tty = flag(query.get('tty'))
  const either = (own: string, api: string): boolean => flag(query.get(own)) || flag(query.get(api))
  const stderr = either('error', 'stderr') && !tty // a terminal has but one output
  const streams = { stdin: either('input', 'stdin'), stdout: either('output', 'stdout'), stderr, tty }
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new RequestError(400, 'you must specify at least 1 of stdin, stdout, stderr')
  return streams
}
