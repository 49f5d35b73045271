import type { EndpointSlice } from '../../api/generated/types.ts'
import { endpointSlices, nodes as nodeKind, services as serviceKind } from '../../api/registry.ts'
import { splitKey } from '../../machinery/object.ts'
import { isNotFound } from '../../machinery/status.ts'
import type { Controller } from '../controller-deps.ts'
import { serviceNameLabel } from '../informers.ts'
import { OwnWrites } from '../own-writes.ts'
import { selectsPods } from './membership.ts'
import { selectedPods, serviceQueue } from './service-queue.ts'
import { managedByLabel, managerName, planSlices } from './slice-plan.ts'

const name = 'endpointslice-controller'

/** Writes who answers for each Service: discovery.k8s.io/v1 EndpointSlices. */
export const endpointSliceController: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = serviceQueue(deps, name, log)
  const services = deps.informers.of(serviceKind)
  const nodes = deps.informers.of(nodeKind)
  const slices = deps.informers.of(endpointSlices)
  const writes = new OwnWrites(slices, deps.clock)
  const isOurs = (slice: EndpointSlice): boolean => slice.metadata.labels?.[managedByLabel] === managerName
  const touch = (slice: EndpointSlice): void => {
    const service = slice.metadata.labels?.[serviceNameLabel]
    if (service && isOurs(slice)) queue.add(`${slice.metadata.namespace}/${service}`)
  }
  slices.on({
    added: touch,
    deleted: touch,
    updated(slice, previous) {
      touch(slice)
      if (previous.metadata.labels?.[serviceNameLabel] !== slice.metadata.labels?.[serviceNameLabel]) touch(previous)
    },
  })

  const sync = async (key: string): Promise<void> => {
    const service = services.get(key)
    // With its Service gone, the garbage collector takes the slices: they name it as their owner.
    if (!service || service.metadata.deletionTimestamp !== undefined) {
      writes.forget(key)
      return
    }
    if (!selectsPods(service)) return
    const client = deps.client.resource<EndpointSlice>(endpointSlices, splitKey(key).namespace)
    const existing = writes.over(key, slices.byIndex('service', key)).filter((slice) => isOurs(slice) && !slice.metadata.deletionTimestamp)
    const plan = planSlices(service, selectedPods(deps, service), existing, (node) => nodes.get(node))
    try {
      for (const slice of plan.create) await writes.write(key, () => client.create(slice))
      for (const slice of plan.update) await writes.write(key, () => client.update(slice))
      for (const slice of plan.remove) await writes.remove(key, slice, () => client.delete(slice.metadata.name))
    } catch (error) {
      if (isNotFound(error)) writes.forget(key) // someone else deleted one of them: look again
      throw error
    }
  }
  return () => queue.runWorkers(5, sync)
}
