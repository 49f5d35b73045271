import type { IPAddress, ServiceCIDR } from '../api/generated/types.ts'
import { ipAddresses, serviceCidrs } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { timestamp } from '../host/clock.ts'
import type { Controller } from './controller-deps.ts'
import { nextStep, serviceCidrFinalizer } from './service-cidr-plan.ts'
import { unlessGone } from './unless-gone.ts'

/** Says which ServiceCIDRs are ready, and lets none go while Services have addresses of it alone. */
export const serviceCidrController: Controller = (deps) => {
  const queue = new WorkQueue({ ...deps, log: deps.log.named('service-cidr-controller'), name: 'service-cidr-controller' })
  const cidrs = deps.informers.of<ServiceCIDR>(serviceCidrs)
  const addresses = deps.informers.of<IPAddress>(ipAddresses)
  const client = deps.client.resource<ServiceCIDR>(serviceCidrs)
  const add = ({ metadata }: ServiceCIDR): void => queue.add(metadata.name)
  // Only those that are to go wait for anything: another one that covers them, or addresses that are given back.
  const waiting = (): void => {
    for (const one of cidrs.list()) if (one.metadata.deletionTimestamp !== undefined) add(one)
  }
  const addWithWaiting = (one: ServiceCIDR): void => {
    add(one)
    waiting()
  }
  cidrs.on({ added: addWithWaiting, updated: add, deleted: waiting })
  addresses.on({ added: waiting, deleted: waiting })

  const sync = async (name: string): Promise<void> => {
    const one = cidrs.get(name)
    if (!one) return
    const nowMs = deps.clock.now()
    const step = nextStep(one, { cidrs: cidrs.list(), addresses: addresses.list(), nowMs })
    const { finalizers = [] } = one.metadata
    const withFinalizers = (next: string[]): Promise<unknown> =>
      unlessGone(() => client.update({ ...one, metadata: { ...one.metadata, finalizers: next } }))
    switch (step.do) {
      case 'nothing':
        return
      case 'protect':
        await withFinalizers([...finalizers, serviceCidrFinalizer])
        return
      case 'let go':
        await withFinalizers(finalizers.filter((finalizer) => finalizer !== serviceCidrFinalizer))
        return
      case 'wait':
        return queue.addAfter(name, step.delayMs)
      case 'tell': {
        const others = (one.status?.conditions ?? []).filter(({ type }) => type !== 'Ready')
        const conditions = [...others, { ...step.ready, lastTransitionTime: timestamp(nowMs) }]
        await unlessGone(() => client.updateStatus({ ...one, status: { conditions } }))
      }
    }
  }
  return () => queue.runWorkers(1, sync)
}
