import { isHeadless } from '../../api/core/service-facts.ts'
import type { Endpoints, Service } from '../../api/generated/types.ts'
import { endpoints as endpointsKind, services as serviceKind } from '../../api/registry.ts'
import { deepEqual } from '../../machinery/equality.ts'
import { objectKey, splitKey } from '../../machinery/object.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'
import { selectsPods } from './membership.ts'
import { selectedPods, serviceQueue } from './service-queue.ts'
import { subsetsOf } from './subset-plan.ts'

const name = 'endpoint-controller'
const headlessLabel = 'service.kubernetes.io/headless'
const managedByLabel = 'endpoints.kubernetes.io/managed-by'
const overCapacity = 'endpoints.kubernetes.io/over-capacity'

/** Writes core/v1 Endpoints, the older form of EndpointSlices, for clients that still read it. */
export const endpointsController: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = serviceQueue(deps, name, log)
  const services = deps.informers.of(serviceKind)
  const all = deps.informers.of(endpointsKind)
  const touch = (object: Endpoints): void => {
    if (object.metadata.labels?.[managedByLabel] === name) queue.add(objectKey(object))
  }
  all.on({ added: touch, updated: touch, deleted: touch })

  const sync = async (key: string): Promise<void> => {
    const { namespace, name: serviceName } = splitKey(key)
    const client = deps.client.resource<Endpoints>(endpointsKind, namespace)
    const service = services.get(key)
    const present = all.get(key)
    if (!service) {
      if (present) await unlessGone(() => client.delete(serviceName, { preconditions: { uid: present.metadata.uid } }))
      return
    }
    if (!selectsPods(service)) return
    const { subsets, truncated } = subsetsOf(service, selectedPods(deps, service))
    const wanted = { subsets, labels: labelsOf(service), annotations: annotationsOf(present, truncated) }
    if (!present) await client.create({ metadata: { name: serviceName, labels: wanted.labels, annotations: wanted.annotations }, subsets })
    else if (differs(present, wanted)) {
      const metadata = { ...present.metadata, labels: wanted.labels, annotations: wanted.annotations }
      await client.update({ ...present, metadata, subsets })
    }
  }
  return () => queue.runWorkers(5, sync)
}

function labelsOf(service: Service): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = service.metadata.labels ?? {}
  return { ...labels, ...(isHeadless(service) ? { [headlessLabel]: '' } : {}), [managedByLabel]: name }
}

function annotationsOf(present: Endpoints | undefined, truncated: boolean): Record<string, string> {
  const { [overCapacity]: _, ...others } = present?.metadata.annotations ?? {}
  return truncated ? { ...others, [overCapacity]: 'truncated' } : others
}

function differs(present: Endpoints, wanted: { subsets: unknown; labels: unknown; annotations: unknown }): boolean {
  return !(
    deepEqual(present.subsets ?? [], wanted.subsets) &&
    deepEqual(present.metadata.labels ?? {}, wanted.labels) &&
    deepEqual(present.metadata.annotations ?? {}, wanted.annotations)
  )
}
