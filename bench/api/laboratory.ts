import { fileURLToPath } from 'node:url'
import type { KubeObject } from '../../src/machinery/object.ts'
import type { LoadResult, LoadTask } from './load-process.ts'
import { MeasuredProcess } from './measured-process.ts'
import type { Operation } from './operations.ts'
import { buildProduct, fillStore, makeFirstPod, ProductServer } from './product-server.ts'
import type { Endpoint, Protocol } from './requester.ts'

export interface Asked {
  readonly operation: Operation
  readonly protocol: Protocol
  readonly clients: number
  readonly forMs: number
  readonly rate?: number
}

export interface Measured extends LoadResult {
  /** Processor time of the server for each request. */
  readonly cpuMicros: number
}

const script = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

/** Everything that takes part: the server over a folder with so many pods, the floor, and the process that asks. */
export class Laboratory {
  server: ProductServer
  readonly #folder: string
  readonly #pod: KubeObject
  readonly #load: MeasuredProcess
  readonly #floor: { process: MeasuredProcess; endpoint: Endpoint }
  #pods = 1
  #next = 1

  private constructor(
    folder: string,
    parts: { server: ProductServer; pod: KubeObject; load: MeasuredProcess; floor: { process: MeasuredProcess; endpoint: Endpoint } },
  ) {
    this.#folder = folder
    this.server = parts.server
    this.#pod = parts.pod
    this.#load = parts.load
    this.#floor = parts.floor
  }

  static async open(folder: string): Promise<Laboratory> {
    buildProduct()
    const server = await ProductServer.start(folder)
    const { ca, apiserver } = server.certificates
    const floor = new MeasuredProcess([script('floor-process'), JSON.stringify({ ca, ...apiserver })])
    const load = new MeasuredProcess([script('load-process')])
    try {
      const pod = await makeFirstPod(server)
      const endpoint = { ...server.endpoint, port: Number(await floor.hear()) }
      return new Laboratory(folder, { server, pod, load, floor: { process: floor, endpoint } })
    } catch (error) {
      await Promise.all([server.end(), floor.end(), load.end()])
      throw error
    }
  }

  /** Stops the server, and starts it with `count` pods, the new ones like the first. */
  async refill(count: number, nodeFlags: readonly string[] = []): Promise<void> {
    await this.server.end()
    await fillStore(this.#folder, this.#pod, this.#pods, count)
    this.#pods = Math.max(this.#pods, count)
    this.server = await ProductServer.start(this.#folder, nodeFlags)
  }

  get objectBytes(): number {
    return JSON.stringify(this.#pod).length
  }

  ask(asked: Asked): Promise<Measured> {
    return this.#measure(this.server.process, { ...this.#taskOf(asked), endpoint: this.server.endpoint })
  }

  /** The same of the server that does nothing, whose answers are as long. */
  askFloor(asked: Asked, floorBytes: number): Promise<Measured> {
    return this.#measure(this.#floor.process, { ...this.#taskOf(asked), endpoint: this.#floor.endpoint, floorBytes })
  }

  #taskOf(asked: Asked): Omit<LoadTask, 'endpoint'> {
    return { ...asked, stored: this.#pod, count: this.#pods, first: this.#next }
  }

  async #measure(process: MeasuredProcess, task: LoadTask): Promise<Measured> {
    const before = process.cpuMicros()
    this.#load.tell(JSON.stringify(task))
    const result = JSON.parse(await this.#load.hear()) as LoadResult & { error?: string }
    if (result.error) throw new Error(result.error)
    this.#next += result.requests + task.clients
    return { ...result, cpuMicros: (process.cpuMicros() - before) / result.requests }
  }

  async close(): Promise<void> {
    await Promise.all([this.server.end(), this.#load.end(), this.#floor.process.end()])
  }
}
