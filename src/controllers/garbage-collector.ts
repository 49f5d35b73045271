import type { Kind } from '../api/kind.ts'
import { kindNamed, storedKinds } from '../api/registry.ts'
import type { ResourceClient } from '../client/client.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import { type KubeObject, type OwnerReference, objectKey } from '../machinery/object.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import {
  blocks,
  foregroundFinalizer,
  type OwnerState,
  orphanFinalizer,
  orphansDependents,
  stepForDependent,
  waitsForDependents,
} from './garbage-plan.ts'

const name = 'garbage-collector'

/** Deletes what no owner holds any more, and carries out foreground and orphaning deletion. */
export const garbageCollector: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const watched = storedKinds.filter((kind) => deps.informers.has(kind))
  const keyOf = (kind: Kind, object: KubeObject): string => `${apiVersionOf(kind)} ${kind.kind} ${objectKey(object)}`

  const addDependents = (uid: string): void => {
    for (const kind of watched) for (const object of deps.informers.of(kind).byIndex('owner', uid)) queue.add(keyOf(kind, object))
  }
  const addWaitingOwners = (object: KubeObject): void => {
    for (const owner of object.metadata.ownerReferences ?? []) {
      const kind = kindNamed(owner.apiVersion, owner.kind)
      const present = kind && shown(deps, kind, owner, object.metadata.namespace)
      if (kind && present && waitsForDependents(present)) queue.add(keyOf(kind, present))
    }
  }
  for (const kind of watched) {
    const look = (object: KubeObject): void => {
      const { ownerReferences, finalizers } = object.metadata
      if (ownerReferences?.length || finalizers?.length) queue.add(keyOf(kind, object))
    }
    deps.informers.of(kind).on({
      added: look,
      updated(object, previous) {
        const { metadata: now } = object
        const { metadata: then } = previous
        // Most updates are of status: they concern no owner.
        const same = now.deletionTimestamp === then.deletionTimestamp && String(now.finalizers) === String(then.finalizers)
        if (same && uids(object) === uids(previous)) return
        look(object)
        addWaitingOwners(previous)
      },
      deleted(object) {
        addDependents(object.metadata.uid)
        addWaitingOwners(object)
      },
    })
  }

  const sync = async (key: string): Promise<void> => {
    const [apiVersion = '', kindName = '', objectName = ''] = key.split(' ')
    const kind = kindNamed(apiVersion, kindName)
    const object = kind && deps.informers.of(kind).get(objectName)
    if (!kind || !object) return
    if (orphansDependents(object)) await orphanDependents(deps, watched, kind, object)
    else if (waitsForDependents(object)) await waitForDependents(deps, watched, kind, object, addDependents)
    else await judge(deps, watched, kind, object)
  }
  return () => queue.runWorkers(5, sync)
}

const uids = (object: KubeObject): string => (object.metadata.ownerReferences ?? []).map(({ uid }) => uid).join()

function shown(deps: ControllerDeps, kind: Kind, owner: OwnerReference, namespace: string | undefined): KubeObject | undefined {
  if (!deps.informers.has(kind)) return undefined
  const present = deps.informers.of(kind).get(kind.namespaced && namespace ? `${namespace}/${owner.name}` : owner.name)
  return present?.metadata.uid === owner.uid ? present : undefined
}

function dependentsOf(deps: ControllerDeps, watched: readonly Kind[], owner: KubeObject): { kind: Kind; object: KubeObject }[] {
  return watched.flatMap((kind) =>
    deps.informers
      .of(kind)
      .byIndex('owner', owner.metadata.uid)
      .map((object) => ({ kind, object })),
  )
}

const clientOf = (deps: ControllerDeps, kind: Kind, object: KubeObject): ResourceClient<KubeObject> =>
  deps.client.resource(kind, object.metadata.namespace)

/** Looks at an object's owners, and does with it what follows. */
async function judge(deps: ControllerDeps, watched: readonly Kind[], kind: Kind, object: KubeObject): Promise<void> {
  const owners = await Promise.all((object.metadata.ownerReferences ?? []).map((owner) => stateOf(deps, owner, object)))
  const step = stepForDependent(object, owners, dependentsOf(deps, watched, object).length > 0)
  if (step.do === 'nothing') return
  const client = clientOf(deps, kind, object)
  const { uid, resourceVersion } = object.metadata
  await ignoringAbsence(async () => {
    if (step.do === 'delete') {
      // The version too: an owner may have been added since.
      await client.delete(object.metadata.name, { propagationPolicy: step.propagationPolicy, preconditions: { uid, resourceVersion } })
    } else await dropOwners(client, object, step.uids)
  })
}

/** The informer's word is enough for an owner that is there; that one isn't there only the server can say. */
async function stateOf(deps: ControllerDeps, owner: OwnerReference, object: KubeObject): Promise<OwnerState> {
  const kind = kindNamed(owner.apiVersion, owner.kind)
  if (!kind) return { owner, state: 'present' } // a kind that we don't know may well be there
  // An object without a namespace cannot name an owner that has one: nobody can say whether that owner is there, so it stays.
  if (kind.namespaced && !object.metadata.namespace) return { owner, state: 'present' }
  const present = shown(deps, kind, owner, object.metadata.namespace) ?? (await read(deps, kind, owner, object))
  if (!present) return { owner, state: 'absent' }
  return { owner, state: waitsForDependents(present) ? 'waiting' : 'present' }
}

async function read(deps: ControllerDeps, kind: Kind, owner: OwnerReference, object: KubeObject): Promise<KubeObject | undefined> {
  try {
    const present = await deps.client.resource(kind, kind.namespaced ? object.metadata.namespace : undefined).get(owner.name)
    return present.metadata.uid === owner.uid ? present : undefined
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

async function orphanDependents(deps: ControllerDeps, watched: readonly Kind[], kind: Kind, owner: KubeObject): Promise<void> {
  for (const dependent of dependentsOf(deps, watched, owner)) {
    const client = clientOf(deps, dependent.kind, dependent.object)
    await ignoringAbsence(() => dropOwners(client, dependent.object, [owner.metadata.uid]))
  }
  await dropFinalizer(clientOf(deps, kind, owner), owner, orphanFinalizer)
}

async function waitForDependents(
  deps: ControllerDeps,
  watched: readonly Kind[],
  kind: Kind,
  owner: KubeObject,
  addDependents: (uid: string) => void,
): Promise<void> {
  const dependents = dependentsOf(deps, watched, owner)
  if (dependents.some(({ object }) => blocks(object, owner))) addDependents(owner.metadata.uid)
  else await dropFinalizer(clientOf(deps, kind, owner), owner, foregroundFinalizer)
}

async function dropOwners(client: ResourceClient<KubeObject>, object: KubeObject, uids: readonly string[]): Promise<void> {
  const ownerReferences = (object.metadata.ownerReferences ?? []).filter((owner) => !uids.includes(owner.uid))
  const { resourceVersion, name } = object.metadata
  await client.patch(name, { type: 'merge', body: { metadata: { resourceVersion, ownerReferences } } })
}

async function dropFinalizer(client: ResourceClient<KubeObject>, object: KubeObject, finalizer: string): Promise<void> {
  const finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== finalizer)
  const { resourceVersion, name } = object.metadata
  await ignoringAbsence(() => client.patch(name, { type: 'merge', body: { metadata: { resourceVersion, finalizers } } }))
}

/** What has gone by itself, or was replaced under the same name, needs nothing more; what has changed is looked at again. */
async function ignoringAbsence(run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (isNotFound(error)) return
    if (isConflict(error) && error.message.includes('UID in precondition')) return
    throw error
  }
}
