import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Container } from '../../api/generated/types.ts'
import type { ContainerRuntime } from '../../cri/runtime.ts'
import { systemClock } from '../../host/clock.ts'
import { check } from './check.ts'

/** Field 1 of either message: the service's name, or its state. */
const nameOf = (bytes: Buffer): { service: string } => ({ service: bytes.subarray(2).toString() })
const states: Record<string, number[]> = { '': [8, 1], sick: [8, 2], vague: [] }

let server: Server
let port: number

beforeAll(async () => {
  server = new Server()
  const bytes = { requestStream: false, responseStream: false, requestSerialize: Buffer.from, responseDeserialize: (data: Buffer) => data }
  const check = {
    ...{
      path: '/grpc.health.v1.Health/Check',
      ...bytes,
      requestDeserialize: nameOf,
      responseSerialize: (state: number[]) => Buffer.from(state),
    },
  }
  server.addService({ check } as never, {
    check({ request: { service } }: { request: { service: string } }, answer: (error: object | null, state?: number[]) => void) {
      if (service === 'silent') return
      const state = states[service]
      if (state) answer(null, state)
      else answer({ code: status.NOT_FOUND, details: 'unknown service' })
    },
  })
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)))
  })
})
afterAll(() => server.forceShutdown())

const target = { container: { name: 'c' } as Container, containerId: 'c', podIp: '127.0.0.1' }
const asked = (service: string | undefined, at = port) =>
  check({ grpc: { port: at, ...(service === undefined ? {} : { service }) }, timeoutSeconds: 1 }, target, {
    ...{ runtime: {} as ContainerRuntime, clock: systemClock },
  })

test.each([
  [undefined, 'success', /^service healthy$/],
  ['sick', 'failure', /^service unhealthy \(responded with "NOT_SERVING"\)$/],
  ['vague', 'failure', /^service unhealthy \(responded with "UNKNOWN"\)$/],
  ['nobody', 'failure', /^error: health rpc probe failed: .*unknown service/],
  ['silent', 'failure', /^timeout: health rpc did not complete within 1s$/],
] as const)('a gRPC server asked for the service %s', async (service, result, output) => {
  expect(await asked(service)).toEqual({ result, output: expect.stringMatching(output) })
})

test('one that is not there, and one that knows nothing of health', async () => {
  expect(await asked(undefined, 1)).toEqual({
    result: 'failure',
    output: expect.stringMatching(/^error: failed to connect service at "127.0.0.1:1": .*ECONNREFUSED/),
  })
  const plain = new Server()
  const at = await new Promise<number>((resolve) =>
    plain.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
  )
  expect(await asked(undefined, at)).toEqual({
    result: 'failure',
    output: expect.stringContaining('does not implement the grpc health protocol'),
  })
  plain.forceShutdown()
})
