import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { errorText } from '../../machinery/error-text.ts'
import { readLog } from '../logs/read-log.ts'
import type { PodDeps } from '../pod-deps.ts'
import type { PodManager } from '../pod-manager.ts'
import { loggedContainer, logQueryOf, podFor, RequestError, runningContainer, streamsOf } from './pod-requests.ts'
import { type KubeletRoute, routeOf } from './route.ts'
import { passThrough, refuseUpgrade } from './streaming-proxy.ts'
import { statsSummary } from './summary.ts'

export interface KubeletServerOptions extends PodDeps {
  readonly manager: PodManager
  readonly server: { host: string; port: number; ca: string; cert: string; key: string }
}

/** The kubelet's own HTTPS endpoint, by which the API server reaches logs and shells. Closed by the signal. */
export async function startKubeletServer(options: KubeletServerOptions): Promise<{ port: number; closed: Promise<void> }> {
  const { host, port, ca, cert, key } = options.server
  const server = createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2', allowHalfOpen: true })
  server.on('request', (request, response) => {
    answer(request, response, options).catch((error: unknown) => fail(error, response, options))
  })
  const streams = new Set<Duplex>()
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    streams.add(socket)
    socket.once('close', () => streams.delete(socket))
    socket.on('error', () => undefined) // a client that breaks off is gone; pipes notice by close
    upgrade(request, socket, head, options).catch((error: unknown) => {
      const known = error instanceof RequestError
      if (!known) options.log.warn('stream not opened', { reason: errorText(error) })
      refuseUpgrade(socket, known ? error.code : 500, errorText(error))
    })
  })
  server.on('tlsClientError', (error) => options.log.debug('a client failed to connect', { error }))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const close = (): void => {
    server.close()
    server.closeAllConnections()
    for (const socket of streams) socket.destroy() // upgraded connections are no longer the server's
  }
  if (options.signal.aborted) close()
  else options.signal.addEventListener('abort', close, { once: true })
  return { port: (server.address() as AddressInfo).port, closed }
}

/** Only the API server and administrators may look into pods. */
export function mayEnter(subject: { CN?: string | string[]; O?: string | string[] } | undefined): boolean {
  const all = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat())
  return all(subject?.O).includes('system:masters') || all(subject?.CN).some((name) => name.startsWith('kube-apiserver'))
}

function admit(request: IncomingMessage): { route: KubeletRoute; query: URLSearchParams } {
  const certificate = (request.socket as TLSSocket).getPeerCertificate()
  if (!mayEnter(certificate?.subject)) throw new RequestError(403, 'Forbidden: the client certificate allows nothing here')
  const url = new URL(request.url ?? '/', 'https://kubelet')
  const route = routeOf(url.pathname)
  if (!route) throw new RequestError(404, '404 page not found')
  return { route, query: url.searchParams }
}

function fail(error: unknown, response: ServerResponse, { log, signal }: KubeletServerOptions): void {
  const known = error instanceof RequestError
  if (!known && !signal.aborted) log.warn('request failed', { reason: errorText(error) })
  if (response.headersSent) response.destroy()
  else text(response, known ? error.code : 500, errorText(error))
}

function text(response: ServerResponse, code: number, body: string): void {
  response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' }).end(body)
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function answer(request: IncomingMessage, response: ServerResponse, options: KubeletServerOptions): Promise<void> {
  const { route, query } = admit(request)
  const { manager } = options
  switch (route.to) {
    case 'healthz':
      return text(response, 200, 'ok')
    case 'pods':
      return json(response, { apiVersion: 'v1', kind: 'PodList', metadata: {}, items: manager.list().map(({ pod }) => pod) })
    case 'stats':
      return json(response, await statsSummary(manager, options))
    case 'metrics':
      return text(response, 200, metrics(manager))
    case 'logs':
      return sendLogs(route, query, response, options)
    default:
      throw new RequestError(400, 'Upgrade request required')
  }
}

function metrics(manager: PodManager): string {
  const workers = manager.list()
  const running = workers.flatMap(({ observed }) => observed.containers).filter(({ state }) => state === 'running').length
  return [
    '# HELP kubelet_active_pods Pods that this kubelet looks after.\n# TYPE kubelet_active_pods gauge',
    `kubelet_active_pods ${workers.length}`,
    '# HELP kubelet_running_containers Containers that run.\n# TYPE kubelet_running_containers gauge',
    `kubelet_running_containers{container_state="running"} ${running}\n`,
  ].join('\n')
}

async function sendLogs(
  route: Extract<KubeletRoute, { to: 'logs' }>,
  params: URLSearchParams,
  response: ServerResponse,
  { manager, clock, runtime, signal }: KubeletServerOptions,
): Promise<void> {
  const worker = podFor(manager, route.namespace, route.pod)
  const query = logQueryOf(params, clock.now())
  const container = loggedContainer(worker, route.container, query.previous)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const isRunning = async (): Promise<boolean> => {
    const status = await runtime.containerStatus(container.id).catch(() => undefined) // removed: it runs no more
    return status?.state === 'running'
  }
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  for await (const part of readLog(container.logPath, query, { clock, signal: AbortSignal.any([gone.signal, signal]), isRunning })) {
    if (!response.write(part)) await new Promise<void>((resolve) => drained(response, resolve))
  }
  response.end()
}

function drained(response: ServerResponse, resolve: () => void): void {
  const done = (): void => {
    response.off('drain', done)
    response.off('close', done)
    resolve()
  }
  response.once('drain', done)
  response.once('close', done)
}

async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, options: KubeletServerOptions): Promise<void> {
  const { route, query } = admit(request)
  passThrough(request, socket, head, await streamUrl(route, query, options), options.log)
}

async function streamUrl(route: KubeletRoute, query: URLSearchParams, { manager, runtime }: KubeletServerOptions): Promise<string> {
  if (route.to === 'exec') {
    const { id } = runningContainer(podFor(manager, route.namespace, route.pod, route.uid), route.container)
    const command = query.getAll('command')
    return (await runtime.exec({ containerId: id, command, ...streamsOf(query) })).url
  }
  if (route.to === 'attach') {
    const worker = podFor(manager, route.namespace, route.pod, route.uid)
    const { id } = runningContainer(worker, route.container)
    return (await runtime.attach({ containerId: id, ...streamsOf(query) })).url
  }
  if (route.to === 'portForward') {
    const { sandbox } = podFor(manager, route.namespace, route.pod, route.uid).observed
    if (!sandbox?.ready) throw new RequestError(400, `pod "${route.pod}" is not running`)
    const ports = [...query.getAll('port'), ...query.getAll('ports')].flatMap((list) => list.split(',')).map(Number)
    return (await runtime.portForward({ sandboxId: sandbox.id, ports })).url
  }
  throw new RequestError(400, 'this path cannot be upgraded')
}
