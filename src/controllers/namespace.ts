import type { Namespace } from '../api/generated/types.ts'
import { namespaces, storedKinds } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import { errorText } from '../machinery/error-text.ts'
import type { KubeObject } from '../machinery/object.ts'
import { isNotFound } from '../machinery/status.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import { type Remaining, remainingOf, terminationConditions } from './namespace-plan.ts'

const name = 'namespace-controller'
const contentFinalizer = 'kubernetes'

/** News of what goes away come by itself; this is for what no informer shows. */
const lookAgainMs = 15_000

/** Empties namespaces that are being deleted, then lets them go. */
export const namespaceController: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const all = deps.informers.of(namespaces)
  const look = (namespace: Namespace): void => {
    if (namespace.metadata.deletionTimestamp !== undefined) queue.add(namespace.metadata.name)
  }
  all.on({ added: look, updated: look })
  for (const kind of storedKinds) {
    if (!kind.namespaced || !deps.informers.has(kind)) continue
    const touch = (object: KubeObject): void => {
      const namespace = all.get(object.metadata.namespace ?? '')
      if (namespace) look(namespace)
    }
    // Something may still be added by a request that was under way when the deletion began.
    deps.informers.of(kind).on({ added: touch, deleted: touch })
  }

  const sync = async (key: string): Promise<void> => {
    const namespace = all.get(key)
    if (!namespace || namespace.metadata.deletionTimestamp === undefined) return
    if (!namespace.spec?.finalizers?.includes(contentFinalizer)) return
    const { remaining, failure } = await empty(deps, key)
    const client = deps.client.resource<Namespace>(namespaces)
    try {
      const conditions = terminationConditions(namespace, remaining, failure, deps.clock.now())
      const status = { ...namespace.status, phase: 'Terminating', conditions }
      const fresh = deepEqual(status, namespace.status) ? namespace : await client.updateStatus({ ...namespace, status })
      if (failure !== undefined) throw new Error(`namespace ${key} could not be emptied: ${failure}`)
      if (remaining.length > 0) {
        queue.addAfter(key, lookAgainMs)
        return
      }
      const finalizers = (fresh.spec?.finalizers ?? []).filter((one) => one !== contentFinalizer)
      await client.updateSubresource({ ...fresh, spec: { ...fresh.spec, finalizers } }, 'finalize')
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
  return () => queue.runWorkers(2, sync)
}

/** Asks for the deletion of everything in the namespace; answers what is left after that. */
async function empty(deps: ControllerDeps, namespace: string): Promise<{ remaining: Remaining[]; failure: string | undefined }> {
  const remaining: Remaining[] = []
  const failures: string[] = []
  for (const kind of storedKinds) {
    if (!kind.namespaced) continue
    const client = deps.client.resource<KubeObject>(kind, namespace)
    try {
      const before = await client.list()
      if (before.items.length === 0) continue
      if (before.items.some((object) => object.metadata.deletionTimestamp === undefined)) {
        await client.deleteCollection({ propagationPolicy: 'Background' })
      }
      const after = await client.list()
      if (after.items.length > 0) remaining.push(remainingOf(`${kind.plural}.${kind.group}`, after.items))
    } catch (error) {
      failures.push(errorText(error))
    }
  }
  return { remaining, failure: failures.length ? failures.join('; ') : undefined }
}
