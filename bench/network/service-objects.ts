import type { EndpointSlice, Service } from '../../src/api/generated/types.ts'
import type { NewObject } from '../../src/machinery/object.ts'

export const namespace = 'bench'
const endpointsEach = 5
/** Where servers take in whatever is sent. */
export const bulkPort = 8081

/** Above the band that the API server hands out by itself. */
export const clusterIp = (i: number): string => `10.${97 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`

/** Of the first endpoint, which is another one in each generation. */
export const firstEndpoint = (i: number, generation: number): string =>
  generation === 0 ? `10.128.${i >> 8}.${i & 255}` : `10.${160 + (generation >> 16)}.${(generation >> 8) & 255}.${generation & 255}`

export function serviceOf(i: number): NewObject<Service> {
  return {
    metadata: { name: `s${i}`, namespace, labels: { app: `s${i}` } },
    spec: { clusterIP: clusterIp(i), selector: undefined, ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }] },
  } as NewObject<Service>
}

export function sliceOf(i: number, first: string, port = 8080): NewObject<EndpointSlice> {
  const addresses = [first, ...Array.from({ length: endpointsEach - 1 }, (_, j) => `10.${129 + j}.${i >> 8}.${i & 255}`)]
  return {
    addressType: 'IPv4',
    metadata: { name: `s${i}-x2x4x`, namespace, labels: { 'kubernetes.io/service-name': `s${i}`, app: `s${i}` } },
    endpoints: addresses.map((address, j) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${j}`,
      targetRef: {
        kind: 'Pod',
        namespace,
        name: `s${i}-5d8f7c6b9-${j}`,
        uid: `00000000-0000-4000-8000-${String(i * 8 + j).padStart(12, '0')}`,
      },
    })),
    ports: [{ name: 'http', port, protocol: 'TCP' }],
  } as NewObject<EndpointSlice>
}
