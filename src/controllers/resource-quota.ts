import { isTerminated } from '../api/core/pod-facts.ts'
import { isInQuotaScopes } from '../api/core/quota-scopes.ts'
import { quotaUsageOf, usesQuotaResource } from '../api/core/quota-usage.ts'
import type { Pod, ResourceQuota, ResourceQuotaStatus } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { pods, resourceQuotas, storedKinds } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import { type KubeObject, objectKey, splitKey } from '../machinery/object.ts'
import { addQuantities, formatQuantity } from '../machinery/quantity.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import type { Controller } from './controller-deps.ts'

/** Everything is counted anew this often, as upstream's --resource-quota-sync-period. */
const recountMs = 300_000

/** What a quota's status says, counted from all objects of each kind that it limits. */
export function countedStatus(quota: ResourceQuota, objects: readonly { kind: Kind; all: readonly KubeObject[] }[]): ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {}
  const used: Record<string, string> = Object.fromEntries(Object.keys(hard).map((resource) => [resource, '0']))
  for (const { kind, all } of objects) {
    const counted = Object.keys(hard).filter((resource) => usesQuotaResource(kind, resource))
    for (const object of all.filter((one) => isInQuotaScopes(quota, kind, one))) {
      const usage = quotaUsageOf(kind, object)
      for (const resource of counted) {
        const amount = usage.get(resource)
        if (amount) used[resource] = formatQuantity(addQuantities(used[resource] as string, amount))
      }
    }
  }
  return { hard, used }
}

/**
 * Counts quotas whose limits have changed or whose objects have gone. The API server charges what comes, in the commit that
 * brings it. So the objects are listed after the quota was read, and the count only holds for that state of the quota:
 * whatever is made meanwhile changes the quota, and the count is done again.
 */
export const resourceQuotaController: Controller = (deps) => {
  const name = 'resourcequota-controller'
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const quotas = deps.informers.of(resourceQuotas)
  const countedKinds = storedKinds.filter((kind) => kind.namespaced && deps.informers.has(kind))

  const recountFor = (kind: Kind, { metadata }: KubeObject): void => {
    for (const quota of quotas.byIndex('namespace', metadata.namespace ?? '')) {
      if (Object.keys(quota.spec?.hard ?? {}).some((resource) => usesQuotaResource(kind, resource))) queue.add(objectKey(quota))
    }
  }
  const isStale = ({ spec, status }: ResourceQuota): boolean => !deepEqual(spec?.hard ?? {}, status?.hard)
  quotas.on({
    added: (quota) => queue.add(objectKey(quota)),
    updated: (quota) => isStale(quota) && queue.add(objectKey(quota)),
  })
  for (const kind of countedKinds) deps.informers.of(kind).on({ deleted: (object) => recountFor(kind, object) })
  deps.informers.of(pods).on({
    updated: (pod: Pod, previous: Pod) => isTerminated(pod) && !isTerminated(previous) && recountFor(pods as unknown as Kind, pod),
  })

  const recount = async (key: string): Promise<void> => {
    const { namespace, name: quotaName } = splitKey(key)
    const client = deps.client.resource<ResourceQuota>(resourceQuotas, namespace)
    const quota = await client.get(quotaName)
    const limited = countedKinds.filter((kind) => Object.keys(quota.spec?.hard ?? {}).some((resource) => usesQuotaResource(kind, resource)))
    const objects = await Promise.all(
      limited.map(async (kind) => ({ kind, all: (await deps.client.resource(kind, namespace).list()).items as KubeObject[] })),
    )
    const status = countedStatus(quota, objects)
    if (!deepEqual(status, quota.status)) await client.updateStatus({ ...quota, status })
  }
  const sync = async (key: string): Promise<void> => {
    if (!quotas.get(key)) return
    try {
      await recount(key)
      queue.addAfter(key, recountMs)
    } catch (error) {
      if (isConflict(error)) queue.addAfter(key, 50)
      else if (!isNotFound(error)) throw error
    }
  }
  return () => queue.runWorkers(2, sync)
}
