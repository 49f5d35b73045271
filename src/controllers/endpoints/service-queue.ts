import type { Pod, Service } from '../../api/generated/types.ts'
import { pods as podKind, services as serviceKind } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { Log } from '../../host/log.ts'
import { objectKey } from '../../machinery/object.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { endpointFacts, isSelected } from './membership.ts'

/** A queue of the Services whose endpoints may have changed: theirs, or those of a pod that they select or did select. */
export function serviceQueue(deps: ControllerDeps, name: string, log: Log): WorkQueue {
  const queue = new WorkQueue({ ...deps, log, name })
  const services = deps.informers.of(serviceKind)
  const add = (service: Service): void => queue.add(objectKey(service))
  services.on({ added: add, updated: add, deleted: add })
  const touch = (...states: Pod[]): void => {
    for (const service of services.byIndex('namespace', states[0]?.metadata.namespace ?? '')) {
      if (states.some((pod) => isSelected(service, pod.metadata.labels))) add(service)
    }
  }
  deps.informers.of(podKind).on({
    added: (pod) => touch(pod),
    deleted: (pod) => touch(pod),
    updated(pod, previous) {
      if (endpointFacts(pod) !== endpointFacts(previous)) touch(pod, previous)
    },
  })
  return queue
}

/** The pods of the Service's own namespace that its selector picks. */
export function selectedPods(deps: ControllerDeps, service: Service): Pod[] {
  const here = deps.informers.of(podKind).byIndex('namespace', service.metadata.namespace ?? '')
  return here.filter((pod) => isSelected(service, pod.metadata.labels))
}
