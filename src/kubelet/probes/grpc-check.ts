import http2 from 'node:http2'
import type { GRPCAction } from '../../api/generated/types.ts'
import type { Clock } from '../../host/clock.ts'
import { GrpcChannel, GrpcError } from '../../host/grpc.ts'
import { decode, encode, enumeration, string } from '../../machinery/protobuf.ts'
import type { ProbeResult } from './probe-loop.ts'

/** grpc.health.v1: https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
const request = { service: string(1) }
const response = { status: enumeration(1) }
const statusNames = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const serving = 1
const maxMessageBytes = 64 << 10

/** Asks the health service of a container's gRPC server, once, without TLS. */
export async function grpcCheck(action: GRPCAction, podIp: string, timeoutSeconds: number, clock: Clock): Promise<ProbeResult> {
  const peer = `${podIp.includes(':') ? `[${podIp}]` : podIp}:${action.port}`
  const channel = new GrpcChannel({ open: () => http2.connect(`http://${peer}`), peer, clock, maxMessageBytes })
  const timeoutMs = timeoutSeconds * 1000
  try {
    await channel.ready(timeoutMs)
  } catch (error) {
    channel.close()
    return { result: 'failure', output: `error: failed to connect service at ${JSON.stringify(peer)}: ${(error as Error).message}` }
  }
  try {
    const message = encode(request, { service: action.service ?? '' })
    const metadata = { 'user-agent': 'kube-probe/1.37' }
    const { status } = decode(response, await channel.unary('/grpc.health.v1.Health/Check', message, { timeoutMs, metadata }))
    if (status === serving) return { result: 'success', output: 'service healthy' }
    const name = statusNames[status] ?? String(status)
    return { result: 'failure', output: `service unhealthy (responded with ${JSON.stringify(name)})` }
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    return { result: 'failure', output: failureText(error, timeoutSeconds) }
  } finally {
    channel.close()
  }
}

function failureText({ code, message }: GrpcError, timeoutSeconds: number): string {
  if (code === 'Unimplemented') return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message}`
  if (code === 'DeadlineExceeded') return `timeout: health rpc did not complete within ${timeoutSeconds}s`
  return `error: health rpc probe failed: ${message}`
}
