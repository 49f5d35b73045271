import { bootstrapTokenNamespace, bootstrapTokenType, endOfBootstrapToken } from '../../api/core/bootstrap-token.ts'
import type { Secret } from '../../api/generated/types.ts'
import { secrets as secretKind } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import { objectKey } from '../../machinery/object.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'

/** Removes bootstrap tokens once they have run out. */
export const tokenCleaner: Controller = (deps) => {
  const name = 'token-cleaner-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const secrets = deps.informers.of(secretKind)
  const add = (secret: Secret): void => {
    if (secret.type === bootstrapTokenType && secret.metadata.namespace === bootstrapTokenNamespace) queue.add(objectKey(secret))
  }
  secrets.on({ added: add, updated: add })
  const client = deps.client.resource<Secret>(secretKind, bootstrapTokenNamespace)
  const sync = async (key: string): Promise<void> => {
    const secret = secrets.get(key)
    if (!secret) return
    const leftMs = endOfBootstrapToken(secret) - deps.clock.now()
    if (leftMs === Number.POSITIVE_INFINITY) return
    const { name, uid } = secret.metadata
    if (leftMs > 0) queue.addAfter(key, leftMs)
    else await unlessGone(() => client.delete(name, { preconditions: { uid } }))
  }
  return () => queue.runWorkers(1, sync)
}
