import type { PodCertificateRequest } from '../../api/generated/types.ts'
import { podCertificateRequests } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import { objectKey } from '../../machinery/object.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'

/** Kubelets take what is issued at once. */
const keptMs = 15 * 60 * 1000

/** Removes what pods have asked for long ago. */
export const podCertificateRequestCleaner: Controller = (deps) => {
  const name = 'podcertificaterequest-cleaner-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const requests = deps.informers.of(podCertificateRequests)
  requests.on({ added: (request) => queue.add(objectKey(request)) })
  const sync = async (key: string): Promise<void> => {
    const request = requests.get(key)
    if (!request) return
    const { name, namespace, uid, creationTimestamp } = request.metadata
    const leftMs = Date.parse(creationTimestamp) + keptMs - deps.clock.now()
    if (leftMs > 0) return queue.addAfter(key, leftMs)
    const client = deps.client.resource<PodCertificateRequest>(podCertificateRequests, namespace)
    await unlessGone(() => client.delete(name, { preconditions: { uid } }))
  }
  return () => queue.runWorkers(1, sync)
}
