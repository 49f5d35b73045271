import { parse } from 'yaml'
import type { EndpointSlice, Service } from '../../src/api/generated/types.ts'
import { endpointSlices, namespaces, services } from '../../src/api/registry.ts'
import type { ResourceClient } from '../../src/client/client.ts'
import { type InProcessCluster, startCluster } from '../../src/cluster/start-cluster.ts'
import type { NewObject } from '../../src/machinery/object.ts'
import { plan } from './packet-bed.ts'
import { clusterIp, firstEndpoint, namespace, serviceOf, sliceOf } from './service-objects.ts'

const writers = 16

/** A real API server, in memory, that holds ever more Services of five endpoints each. */
export class ServiceCluster {
  readonly api: { server: string; ca: string; cert: string; key: string }
  readonly #cluster: InProcessCluster
  readonly #services: ResourceClient<Service>
  readonly #slices: ResourceClient<EndpointSlice>
  #size = 0
  /** Ever replaced: each replacement has an address of its own. */
  #generation = 0

  private constructor(cluster: InProcessCluster, api: ServiceCluster['api']) {
    this.#cluster = cluster
    this.api = api
    this.#services = cluster.client.resource<Service>(services, namespace)
    this.#slices = cluster.client.resource<EndpointSlice>(endpointSlices, namespace)
  }

  static async start(): Promise<ServiceCluster> {
    const cluster = await startCluster({ port: 0, serviceCidr: plan.serviceCidr })
    await cluster.client.resource(namespaces).create({ metadata: { name: namespace } } as NewObject<never>)
    return new ServiceCluster(cluster, credentials(cluster.kubeconfig as string))
  }

  get size(): number {
    return this.#size
  }

  async growTo(size: number): Promise<void> {
    const writer = async (): Promise<void> => {
      while (this.#size < size) {
        const i = this.#size++
        await this.#slices.create(sliceOf(i, firstEndpoint(i, 0)))
        await this.#services.create(serviceOf(i))
      }
    }
    await Promise.all(Array.from({ length: writers }, writer))
  }

  /** The EndpointSlice is there, so that the Service's own write completes it. */
  async addService(): Promise<{ clusterIp: string; write: () => Promise<unknown> }> {
    const i = this.#size++
    await this.#slices.create(sliceOf(i, firstEndpoint(i, 0)))
    return { clusterIp: clusterIp(i), write: () => this.#services.create(serviceOf(i)) }
  }

  /** Another pod takes the place of one of the Service's. Answers the new one's address. */
  replaceEndpoint(i: number): { clusterIp: string; address: string; write: () => Promise<unknown> } {
    const address = firstEndpoint(i, ++this.#generation)
    const write = (): Promise<unknown> => this.#slices.update(sliceOf(i, address) as EndpointSlice)
    return { clusterIp: clusterIp(i), address, write }
  }

  close(): Promise<void> {
    return this.#cluster.close()
  }
}

function credentials(kubeconfig: string): ServiceCluster['api'] {
  const { clusters, users } = parse(kubeconfig) as {
    clusters: { cluster: Record<string, string> }[]
    users: { user: Record<string, string> }[]
  }
  const { cluster } = clusters[0] as (typeof clusters)[0]
  const { user } = users[0] as (typeof users)[0]
  const text = (base64: string | undefined): string => Buffer.from(base64 as string, 'base64').toString()
  return {
    server: cluster.server as string,
    ca: text(cluster['certificate-authority-data']),
    cert: text(user['client-certificate-data']),
    key: text(user['client-key-data']),
  }
}
