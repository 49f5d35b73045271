import type { ResourceClient } from '../client/client.ts'
import { controllerOf, controllerReference, type KubeObject } from '../machinery/object.ts'
import { isNotFound, isStatus } from '../machinery/status.ts'

export interface Claim<T> {
  /** Controlled already, and matching. */
  readonly owned: readonly T[]
  /** Matching orphans. */
  readonly adopt: readonly T[]
  /** Controlled, but no longer matching. */
  readonly release: readonly T[]
}

/** Who belongs to a controller by its selector. Those of other controllers are left alone; an owner on its way out changes nothing. */
export function planClaim<T extends KubeObject>(
  owner: KubeObject,
  matches: (labels: Readonly<Record<string, string>> | undefined) => boolean,
  candidates: readonly T[],
): Claim<T> {
  const owned: T[] = []
  const adopt: T[] = []
  const release: T[] = []
  const going = owner.metadata.deletionTimestamp !== undefined
  for (const candidate of candidates) {
    const controller = controllerOf(candidate)
    const fits = matches(candidate.metadata.labels)
    if (controller?.uid === owner.metadata.uid) {
      if (fits) owned.push(candidate)
      else if (!going) release.push(candidate)
    } else if (!controller && fits && !going && candidate.metadata.deletionTimestamp === undefined) adopt.push(candidate)
  }
  return { owned, adopt, release }
}

/**
 * Carries a claim out; answers what is owned afterwards. Before anything is adopted the owner is read afresh: one that
 * has been deleted or replaced under the same name must not take orphans.
 */
export async function claim<T extends KubeObject, O extends KubeObject>(
  plan: Claim<T>,
  owner: O,
  clients: { owners: ResourceClient<O>; owned: ResourceClient<T> },
): Promise<readonly T[]> {
  for (const object of plan.release) {
    const ownerReferences = [{ $patch: 'delete', uid: owner.metadata.uid }]
    const body = { metadata: { uid: object.metadata.uid, ownerReferences } }
    await ignoringGone(() => clients.owned.patch(object.metadata.name, { type: 'strategic', body }))
  }
  if (plan.adopt.length === 0) return plan.owned
  const fresh = await clients.owners.get(owner.metadata.name)
  if (fresh.metadata.uid !== owner.metadata.uid || fresh.metadata.deletionTimestamp !== undefined) return plan.owned
  const adopted: T[] = []
  for (const object of plan.adopt) {
    const body = { metadata: { uid: object.metadata.uid, ownerReferences: [controllerReference(owner)] } }
    const patched = await ignoringGone(() => clients.owned.patch(object.metadata.name, { type: 'strategic', body }))
    if (patched) adopted.push(patched)
  }
  return [...plan.owned, ...adopted]
}

/** An object that went, or was replaced (another uid) meanwhile, is no longer of interest. */
async function ignoringGone<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (isNotFound(error) || isStatus(error, 'Invalid') || isStatus(error, 'Conflict')) return undefined
    throw error
  }
}
