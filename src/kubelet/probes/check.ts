import { connect } from 'node:net'
import type { Container, Probe } from '../../api/generated/types.ts'
import { type ContainerRuntime, RuntimeError } from '../../cri/runtime.ts'
import type { Clock } from '../../host/clock.ts'
import { grpcCheck } from './grpc-check.ts'
import { httpGet, portOf } from './http-get.ts'
import type { ProbeResult } from './probe-loop.ts'

export interface ProbeTarget {
  readonly container: Container
  readonly containerId: string
  readonly podIp: string
}

/** One try of a probe, ended by its own timeout. */
export async function check(probe: Probe, target: ProbeTarget, deps: { runtime: ContainerRuntime; clock: Clock }): Promise<ProbeResult> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1
  if (probe.exec) return checkExec(probe.exec.command ?? [], target, timeoutSeconds, deps.runtime)
  if (probe.grpc) return grpcCheck(probe.grpc, target.podIp, timeoutSeconds, deps.clock)
  const late = new AbortController()
  const cancel = deps.clock.after(timeoutSeconds * 1000, () =>
    late.abort(new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)')),
  )
  try {
    if (probe.httpGet) {
      const { status, body } = await httpGet(probe.httpGet, target.container, target.podIp, late.signal)
      if (status >= 200 && status < 400) return { result: 'success', output: body }
      return { result: 'failure', output: `HTTP probe failed with statuscode: ${status}` }
    }
    if (probe.tcpSocket) {
      await tcpConnect(probe.tcpSocket.host || target.podIp, portOf(probe.tcpSocket.port, target.container), late.signal)
      return { result: 'success', output: '' }
    }
    return { result: 'error', output: 'missing probe handler' }
  } catch (error) {
    const cause = late.signal.aborted ? late.signal.reason : error
    const text = cause instanceof Error ? cause.message : String(cause)
    return { result: 'failure', output: probe.httpGet ? `Get "${urlOf(probe, target)}": ${text}` : text }
  } finally {
    cancel()
  }
}

function urlOf({ httpGet: action }: Probe, { podIp }: ProbeTarget): string {
  return `${(action?.scheme ?? 'HTTP').toLowerCase()}://${action?.host || podIp}:${action?.port}${action?.path ?? '/'}`
}

async function checkExec(command: string[], target: ProbeTarget, timeoutSeconds: number, runtime: ContainerRuntime): Promise<ProbeResult> {
  try {
    const { exitCode, stdout, stderr } = await runtime.execSync(target.containerId, command, timeoutSeconds)
    const output = Buffer.concat([stdout, stderr]).subarray(0, 10_240).toString()
    return { result: exitCode === 0 ? 'success' : 'failure', output }
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error
    if (error.code === 'DeadlineExceeded')
      return { result: 'failure', output: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeoutSeconds}s` }
    // A command that isn't there is a failed probe; a container that is gone by now is no news.
    return { result: error.code === 'NotFound' ? 'error' : 'failure', output: `rpc error: code = ${error.code} desc = ${error.message}` }
  }
}

function tcpConnect(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => reject(new Error(`dial tcp ${host}:${port}: ${error.message}`)))
  })
}
