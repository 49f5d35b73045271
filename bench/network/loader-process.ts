/** In the node's place of a bed: puts so many Services into the kernel and stays, idle, as a proxy would. */
import type { EndpointSlice, Service } from '../../src/api/generated/types.ts'
import { systemClock } from '../../src/host/clock.ts'
import { lineLog } from '../../src/host/log.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { layoutService } from '../kube-proxy-layouts/layout.ts'
import type { BackEnd } from './back-ends.ts'
import { layoutOf } from './layout-proxy.ts'
import { startOwnProxy } from './own-proxy.ts'
import { bulkPort, firstEndpoint, serviceOf, sliceOf } from './service-objects.ts'

export interface LoaderOptions {
  readonly backEnd: BackEnd
  /** One more comes after them, whose endpoints take bulk. */
  readonly size: number
  readonly cgroupPath: string | undefined
}

const complainingLog = lineLog((line) => process.stderr.write(line), { level: 'warn', now: systemClock.now })
const { backEnd, size, cgroupPath } = JSON.parse(process.argv[2] as string) as LoaderOptions
const pairs = Array.from({ length: size + 1 }, (_, i): [Service, EndpointSlice] => {
  const slice = sliceOf(i, firstEndpoint(i, 0), i === size ? bulkPort : undefined)
  const service = serviceOf(i)
  const stored = { uid: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`, creationTimestamp: '2026-01-01T00:00:00Z' }
  return [
    { apiVersion: 'v1', kind: 'Service', ...service, metadata: { ...service.metadata, ...stored } } as Service,
    { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...slice, metadata: { ...slice.metadata, ...stored } } as EndpointSlice,
  ]
})
if (backEnd.by === 'ownkube') {
  const api = new TableApi()
  for (const [service, slice] of pairs) {
    api.put(service)
    api.put(slice)
  }
  await startOwnProxy(backEnd, { client: api, log: complainingLog, cgroupPath })
} else await layoutOf(backEnd).loadInParts(pairs.map(([service, slice]) => layoutService(service, [slice])))
process.send?.({ up: true })
process.on('message', () => undefined) // stays for as long as it is wanted
