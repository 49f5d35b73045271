import type { Pod, ReplicaSet, ReplicaSetStatus, ReplicationController } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { pods as podKind, replicaSets, replicationControllers } from '../api/registry.ts'
import { EventRecorder } from '../client/event-recorder.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import { errorText } from '../machinery/error-text.ts'
import { labelSelectorMatcher } from '../machinery/label-selector.ts'
import { controllerOf, controllerReference, type KubeObject, type NewObject, objectKey, splitKey } from '../machinery/object.ts'
import { isNotFound } from '../machinery/status.ts'
import { claim, planClaim } from './claim.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import { OwnWrites } from './own-writes.ts'
import { planReplicas, type ReplicaFailure, replicaStatus } from './replica-plan.ts'
import { unlessGone } from './unless-gone.ts'

/** What differs between ReplicaSets and their elder, ReplicationControllers: all else is worked out for a ReplicaSet. */
interface SetKind<T extends KubeObject> {
  readonly name: string
  readonly kind: Kind<T>
  readonly asSet: (object: T) => ReplicaSet
  readonly withStatus: (object: T, status: ReplicaSetStatus) => T
}

/** Keeps as many pods running as each ReplicaSet asks for. */
export const replicaSetController: Controller = setController<ReplicaSet>({
  name: 'replicaset-controller',
  kind: replicaSets,
  asSet: (set) => set,
  withStatus: (set, status) => ({ ...set, status }),
})

/** The same for ReplicationControllers. */
export const replicationController: Controller = setController<ReplicationController>({
  name: 'replication-controller',
  kind: replicationControllers,
  asSet({ spec, ...rest }) {
    const { selector, ...same } = spec ?? {}
    return { ...rest, spec: { ...same, selector: { matchLabels: selector ?? {} } } } as ReplicaSet
  },
  withStatus: (controller, { terminatingReplicas: _, ...status }) => ({ ...controller, status }),
})

function setController<T extends KubeObject>({ name, kind, asSet, withStatus }: SetKind<T>): Controller {
  return (deps) => {
    const log = deps.log.named(name)
    const queue = new WorkQueue({ ...deps, log, name })
    const objects = deps.informers.of(kind)
    const pods = deps.informers.of(podKind)
    const writes = new OwnWrites(pods, deps.clock)
    const recorder = new EventRecorder({ ...deps, log, component: name })

    const ownerKey = (pod: Pod): string | undefined => {
      const owner = controllerOf(pod)
      if (owner?.kind !== kind.kind) return undefined
      const key = `${pod.metadata.namespace}/${owner.name}`
      return objects.get(key)?.metadata.uid === owner.uid ? key : undefined
    }
    const touch = (pod: Pod): void => {
      const key = ownerKey(pod)
      if (key) queue.add(key)
      else if (!controllerOf(pod)) {
        for (const object of objects.byIndex('namespace', pod.metadata.namespace ?? '')) {
          if (labelSelectorMatcher(asSet(object).spec.selector)(pod.metadata.labels)) queue.add(objectKey(object))
        }
      }
    }
    objects.on({
      added: (object) => queue.add(objectKey(object)),
      updated: (object) => queue.add(objectKey(object)),
      deleted: (object) => writes.forget(objectKey(object)),
    })
    pods.on({
      added: touch,
      updated(pod, previous) {
        if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) touch(previous)
        touch(pod)
      },
      deleted: touch,
    })

    const sync = async (key: string): Promise<void> => {
      const object = objects.get(key)
      if (!object) return
      const set = asSet(object)
      const { namespace } = splitKey(key)
      const podClient = deps.client.resource<Pod>(podKind, namespace)
      const owners = deps.client.resource<T>(kind, namespace)
      const shown = writes.over(key, pods.byIndex('namespace', namespace ?? ''))
      const plan = planClaim(set, labelSelectorMatcher(set.spec.selector), shown)
      const owned = await claim(plan, object, { owners, owned: podClient })
      const work = planReplicas(set, owned, relatedPods(deps, set), deps.clock.now())
      const failure = await carryOut({ deps, set, key, work, writes, recorder })
      const after = ownedAfter(writes.over(key, pods.byIndex('namespace', namespace ?? '')), set, owned)
      const { status, changesAtMs } = replicaStatus(set, after, failure?.failure, deps.clock.now())
      if (changesAtMs !== undefined) queue.addAfter(key, changesAtMs - deps.clock.now())
      const next = withStatus(object, status)
      if (!deepEqual(asSet(next).status, set.status)) await unlessGone(() => owners.updateStatus(next))
      if (failure) throw failure.error
    }
    return () => queue.runWorkers(5, sync)
  }
}

/** With the adopted ones, whose new owner the informer may not show yet. */
function ownedAfter(shown: readonly Pod[], set: ReplicaSet, owned: readonly Pod[]): Pod[] {
  const known = new Set(owned.map((pod) => pod.metadata.uid))
  const matches = labelSelectorMatcher(set.spec.selector)
  return shown.filter((pod) => known.has(pod.metadata.uid) || (controllerOf(pod)?.uid === set.metadata.uid && matches(pod.metadata.labels)))
}

/** Pods of all ReplicaSets of the same Deployment. */
function relatedPods(deps: ControllerDeps, set: ReplicaSet): readonly Pod[] {
  const owner = controllerOf(set)
  const siblings: readonly KubeObject[] = owner?.kind === 'Deployment' ? deps.informers.of(replicaSets).byIndex('owner', owner.uid) : [set]
  return siblings.flatMap((sibling) => deps.informers.of(podKind).byIndex('owner', sibling.metadata.uid))
}

interface Work {
  deps: ControllerDeps
  set: ReplicaSet
  key: string
  work: { create: number; remove: readonly Pod[] }
  writes: OwnWrites<Pod>
  recorder: EventRecorder
}

type Failed = { failure: ReplicaFailure; error: unknown }

async function carryOut(work: Work): Promise<Failed | undefined> {
  return work.work.create > 0 ? await createPods(work) : await removePods(work)
}

/** In batches of 1, 2, 4, ...: where the first fails (a quota, a bad template), the others aren't even tried. */
async function createPods({ deps, set, key, work, writes, recorder }: Work): Promise<Failed | undefined> {
  const client = deps.client.resource<Pod>(podKind, set.metadata.namespace)
  let left = work.create
  for (let size = 1; left > 0; size *= 2) {
    const batch = Array.from({ length: Math.min(size, left) }, () => writes.write(key, () => client.create(podOf(set))))
    left -= batch.length
    const results = await Promise.allSettled(batch)
    let failed: Failed | undefined
    for (const result of results) {
      if (result.status === 'fulfilled') recorder.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${result.value.metadata.name}`)
      else {
        const message = errorText(result.reason)
        recorder.event(set, 'Warning', 'FailedCreate', `Error creating: ${message}`)
        failed = { failure: { reason: 'FailedCreate', message }, error: result.reason }
      }
    }
    if (failed) return failed
  }
  return undefined
}

async function removePods({ deps, set, key, work, writes, recorder }: Work): Promise<Failed | undefined> {
  const client = deps.client.resource<Pod>(podKind, set.metadata.namespace)
  let failed: Failed | undefined
  await Promise.all(
    work.remove.map(async (pod) => {
      try {
        await writes.remove(key, pod, () => client.delete(pod.metadata.name, { preconditions: { uid: pod.metadata.uid } }))
        recorder.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
      } catch (error) {
        if (isNotFound(error)) return
        const message = errorText(error)
        recorder.event(set, 'Warning', 'FailedDelete', `Error deleting: ${message}`)
        failed = { failure: { reason: 'FailedDelete', message }, error }
      }
    }),
  )
  return failed
}

/** A pod after the set's template, owned by the set. */
export function podOf(set: ReplicaSet): NewObject<Pod> {
  const { metadata = {}, spec } = set.spec.template ?? {}
  if (!spec) throw new TypeError(`${set.kind} ${objectKey(set)} has no pod template`)
  return {
    metadata: {
      generateName: `${set.metadata.name}-`,
      ...(set.metadata.namespace ? { namespace: set.metadata.namespace } : {}),
      labels: { ...metadata.labels },
      annotations: { ...metadata.annotations },
      ...(metadata.finalizers ? { finalizers: metadata.finalizers } : {}),
      ownerReferences: [controllerReference(set)],
    },
    spec,
  }
}
