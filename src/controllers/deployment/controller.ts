import type { Deployment, Pod, ReplicaSet } from '../../api/generated/types.ts'
import { deployments, pods as podKind, replicaSets } from '../../api/registry.ts'
import type { ResourceClient } from '../../client/client.ts'
import { EventRecorder } from '../../client/event-recorder.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import { deepEqual } from '../../machinery/equality.ts'
import { errorText } from '../../machinery/error-text.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { controllerOf, controllerReference, type KubeObject, type NewObject, objectKey, splitKey } from '../../machinery/object.ts'
import { isAlreadyExists } from '../../machinery/status.ts'
import { claim, planClaim } from '../claim.ts'
import type { Controller } from '../controller-deps.ts'
import { OwnWrites } from '../own-writes.ts'
import { unlessGone } from '../unless-gone.ts'
import { revisionAnnotation } from './annotations.ts'
import { type DeploymentPlan, planDeployment } from './plan.ts'
import { sizeOf } from './rolling.ts'
import { deploymentStatus } from './status.ts'
import { hashLabel, sameTemplate, templateHash } from './template-hash.ts'

const name = 'deployment-controller'

/** Rolls Deployments out by resizing their ReplicaSets. */
export const deploymentController: Controller = (deps) => {
  const { clock, client } = deps
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const all = deps.informers.of(deployments)
  const sets = deps.informers.of(replicaSets)
  const pods = deps.informers.of(podKind)
  const writes = new OwnWrites(sets, clock)
  const recorder = new EventRecorder({ ...deps, log, component: name })

  const touchOwner = (set: ReplicaSet): void => {
    const owner = controllerOf(set)
    if (owner?.kind === 'Deployment') queue.add(`${set.metadata.namespace}/${owner.name}`)
    if (owner) return
    for (const one of all.byIndex('namespace', set.metadata.namespace ?? '')) {
      if (labelSelectorMatcher(one.spec.selector)(set.metadata.labels)) queue.add(objectKey(one))
    }
  }
  const add = (object: KubeObject): void => queue.add(objectKey(object))
  all.on({ added: add, updated: add, deleted: (object) => writes.forget(objectKey(object)) })
  sets.on({
    added: touchOwner,
    deleted: touchOwner,
    updated(set, previous) {
      if (controllerOf(previous)?.uid !== controllerOf(set)?.uid) touchOwner(previous)
      touchOwner(set)
    },
  })
  // Recreate waits for the last old pod to be gone.
  pods.on({
    deleted(pod) {
      const owner = controllerOf(pod)
      const set = owner && sets.get(`${pod.metadata.namespace}/${owner.name}`)
      if (set) touchOwner(set)
    },
  })

  const sync = async (key: string): Promise<void> => {
    const deployment = all.get(key)
    if (!deployment) return
    const { namespace } = splitKey(key)
    const clients: Clients = {
      deployments: client.resource<Deployment>(deployments, namespace),
      sets: client.resource<ReplicaSet>(replicaSets, namespace),
    }
    const shown = writes.over(key, sets.byIndex('namespace', namespace ?? ''))
    const plan = planClaim(deployment, labelSelectorMatcher(deployment.spec.selector), shown)
    const owned = await claim(plan, deployment, { owners: clients.deployments, owned: clients.sets })
    const podsOf = (set: ReplicaSet): readonly Pod[] => pods.byIndex('owner', set.metadata.uid)
    const work = planDeployment(deployment, owned, podsOf)
    const outcome = await carryOut(work, { key, deployment, owned, clients, writes, recorder })
    const { status, checkAgainAtMs } = deploymentStatus({ deployment, nowMs: clock.now(), ...outcome })
    if (checkAgainAtMs !== undefined) queue.addAfter(key, checkAgainAtMs - clock.now())
    await unlessGone(async () => {
      const fresh = await setRevision(work.revision, deployment, clients)
      if (!deepEqual(status, deployment.status)) await clients.deployments.updateStatus({ ...fresh, status })
    })
    if (outcome.error !== undefined) throw outcome.error
  }
  return () => queue.runWorkers(5, sync)
}

interface Clients {
  deployments: ResourceClient<Deployment>
  sets: ResourceClient<ReplicaSet>
}

interface Context {
  key: string
  deployment: Deployment
  owned: readonly ReplicaSet[]
  clients: Clients
  writes: OwnWrites<ReplicaSet>
  recorder: EventRecorder
}

interface Outcome {
  newSet: ReplicaSet | undefined
  sets: readonly ReplicaSet[]
  created: boolean
  collisionCount: number | undefined
  createError: string | undefined
  error: unknown
}

async function setRevision(revision: bigint | undefined, deployment: Deployment, clients: Clients): Promise<Deployment> {
  if (revision === undefined) return deployment
  const { name, resourceVersion } = deployment.metadata
  const body = { metadata: { resourceVersion, annotations: { [revisionAnnotation]: String(revision) } } }
  return await clients.deployments.patch(name, { type: 'merge', body })
}

async function carryOut(plan: DeploymentPlan, context: Context): Promise<Outcome> {
  const { deployment, owned, clients, writes, recorder, key } = context
  const sets = new Map(owned.map((set) => [set.metadata.uid, set]))
  for (const { set, replicas, annotations, minReadySeconds } of plan.changes) {
    const next: ReplicaSet = {
      ...set,
      metadata: { ...set.metadata, annotations: { ...annotations } },
      spec: { ...set.spec, replicas, minReadySeconds },
    }
    const updated = await writes.write(key, () => clients.sets.update(next))
    sets.set(updated.metadata.uid, updated)
    const before = sizeOf(set)
    if (replicas === before) continue
    const direction = replicas > before ? 'up' : 'down'
    recorder.event(
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${replicas}`,
    )
  }
  for (const set of plan.remove) {
    await unlessGone(() =>
      writes.remove(key, set, () => clients.sets.delete(set.metadata.name, { preconditions: { uid: set.metadata.uid } })),
    )
    sets.delete(set.metadata.uid)
  }
  const making = plan.create ? await createSet(plan.create, context) : nothingMade(deployment)
  if (making.made) sets.set(making.made.metadata.uid, making.made)
  const newSet = making.made ?? (plan.newSet && sets.get(plan.newSet.metadata.uid))
  return { newSet, sets: [...sets.values()], ...making, created: making.made !== undefined }
}

type Making = Pick<Outcome, 'collisionCount' | 'createError' | 'error'> & { made: ReplicaSet | undefined }

const nothingMade = (deployment: Deployment): Making => ({
  made: undefined,
  collisionCount: deployment.status?.collisionCount,
  createError: undefined,
  error: undefined,
})

async function createSet(wanted: NonNullable<DeploymentPlan['create']>, context: Context): Promise<Making> {
  const { deployment, clients, writes, recorder, key } = context
  const set = newSet(deployment, wanted)
  try {
    const made = await writes.write(key, () => clients.sets.create(set))
    const message = `Scaled up replica set ${made.metadata.name} from 0 to ${wanted.replicas}`
    if (wanted.replicas > 0) recorder.event(deployment, 'Normal', 'ScalingReplicaSet', message)
    return { ...nothingMade(deployment), made }
  } catch (error) {
    if (isAlreadyExists(error)) {
      const present = await clients.sets.get(set.metadata.name as string)
      const isOurs = controllerOf(present)?.uid === deployment.metadata.uid && sameTemplate(present.spec.template, deployment.spec.template)
      if (isOurs) return { ...nothingMade(deployment), made: present }
      // Another template has the same hash: the next attempt makes another of it.
      return { ...nothingMade(deployment), collisionCount: (deployment.status?.collisionCount ?? 0) + 1, error }
    }
    const reason = errorText(error)
    const createError = `Failed to create new replica set "${set.metadata.name}": ${reason}`
    recorder.event(deployment, 'Warning', 'ReplicaSetCreateError', createError)
    return { ...nothingMade(deployment), createError, error }
  }
}

function newSet(deployment: Deployment, { replicas, annotations }: NonNullable<DeploymentPlan['create']>): NewObject<ReplicaSet> {
  const { template, selector, minReadySeconds } = deployment.spec
  const hash = templateHash(template, deployment.status?.collisionCount)
  const labels = { ...template.metadata?.labels, [hashLabel]: hash }
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace ? { namespace: deployment.metadata.namespace } : {}),
      labels,
      annotations: { ...annotations },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}
