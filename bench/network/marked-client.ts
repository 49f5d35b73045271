import type { Client, ResourceClient } from '../../src/client/client.ts'
import type { ResourceName } from '../../src/machinery/group-version.ts'
import type { KubeObject } from '../../src/machinery/object.ts'
import { monotonicMs } from '../statistics.ts'

/** When a client last got something from the API. */
export interface Arrivals {
  listed: number
  event: number
  /** What the process had waited for a processor until then. */
  waitedMs: number
}

/** The same client, noting when lists and events come out of it. */
export function markedClient(client: Client, arrivals: Arrivals, waitedMs: () => number): Client {
  return {
    ...client,
    resource<T extends KubeObject>(name: ResourceName, namespace?: string): ResourceClient<T> {
      const collection = client.resource<T>(name, namespace)
      return {
        ...collection,
        async list(options) {
          const answer = await collection.list(options)
          arrivals.listed = monotonicMs()
          return answer
        },
        async *watch(options) {
          for await (const event of collection.watch(options)) {
            if (event.type !== 'BOOKMARK') {
              arrivals.waitedMs = waitedMs()
              arrivals.event = monotonicMs()
            }
            yield event
          }
        },
      }
    },
  }
}
