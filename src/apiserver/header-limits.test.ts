import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClusterCertificates, ensureCertificates } from '../cluster/certificates.ts'
import { TestServer } from './testing/test-server.ts'

let folder: string
let certificates: ClusterCertificates
let server: TestServer
let port: number

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-headers-'))
  certificates = await ensureCertificates(folder, { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }, Date.now())
  server = await TestServer.start()
  port = (await server.server.listen({ host: '127.0.0.1', port: 0, ca: certificates.ca, ...certificates.apiserver })).port
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

/** A selector that is long, and selects nothing. */
const selecting = (bytes: number): string => `/api/v1/pods?labelSelector=app%20in%20(${'x,'.repeat(bytes / 2)}y)`

function over1(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { ca, admin } = certificates
    const asked = httpsRequest({ host: '127.0.0.1', port, path, ca, ...admin, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', reject).end()
  })
}

/** The code, or how the stream or its connection ended. */
function over2(path: string): Promise<number | string> {
  return new Promise((resolve) => {
    const session = connect(`https://127.0.0.1:${port}`, { ca: certificates.ca, ...certificates.admin, maxSendHeaderBlockLength: 8 << 20 })
    const done = (outcome: number | string): void => {
      session.destroy()
      resolve(outcome)
    }
    session.on('error', (error) => done((error as NodeJS.ErrnoException).code ?? error.message))
    const stream = session.request({ ':path': path })
    stream.on('response', (headers) => done(Number(headers[':status'])))
    stream.on('error', (error) => done((error as NodeJS.ErrnoException).code ?? error.message))
    stream.on('close', () => done('closed'))
    stream.end()
  })
}

describe('addresses and headers', () => {
  test('of 500 KiB are served over HTTP/1.1; over HTTP/2 of 60 KiB, as Node takes no more in one header there', async () => {
    expect(await over1(selecting(500 << 10))).toBe(200)
    expect(await over2(selecting(60 << 10))).toBe(200)
  })

  test('of 2 MiB are refused, and the server goes on', async () => {
    expect(await over1(selecting(2 << 20))).toBe(431)
    expect(await over2(selecting(2 << 20))).not.toBe(200)
    expect(await over1('/version')).toBe(200)
    expect(await over2('/version')).toBe(200)
  })
})
