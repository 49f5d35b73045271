import type { Pod, PodDisruptionBudget } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { deployments, podDisruptionBudgets, pods as podKind, replicaSets, storedKinds } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import { labelSelectorMatcher } from '../machinery/label-selector.ts'
import { controllerOf, type KubeObject, objectKey } from '../machinery/object.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import { planDisruptions, UnknownScaleError } from './disruption-plan.ts'
import { unlessGone } from './unless-gone.ts'

const name = 'disruption-controller'

/** Keeps the status of PodDisruptionBudgets: how many of their pods may be evicted now. */
export const disruptionController: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const budgets = deps.informers.of(podDisruptionBudgets)
  const pods = deps.informers.of(podKind)
  const inNamespace = ({ metadata }: KubeObject): readonly PodDisruptionBudget[] => budgets.byIndex('namespace', metadata.namespace ?? '')
  const touch = (pod: Pod): void => {
    for (const budget of inNamespace(pod)) if (selects(budget, pod)) queue.add(objectKey(budget))
  }
  const add = (budget: PodDisruptionBudget): void => queue.add(objectKey(budget))
  budgets.on({ added: add, updated: add })
  pods.on({
    added: touch,
    updated(pod, previous) {
      touch(previous)
      touch(pod)
    },
    deleted: touch,
  })
  const all = (owner: KubeObject): void => inNamespace(owner).forEach(add)
  for (const kind of storedKinds.filter((one) => one.scale && deps.informers.has(one))) {
    deps.informers.of(kind).on({ added: all, updated: (next, previous) => replicasOf(next) !== replicasOf(previous) && all(next) })
  }

  const sync = async (key: string): Promise<void> => {
    const budget = budgets.get(key)
    if (!budget) return
    const selected = pods.byIndex('namespace', budget.metadata.namespace ?? '').filter((pod) => selects(budget, pod))
    const { status, changesAtMs } = planDisruptions(budget, selected, () => expectedScale(deps, selected), deps.clock.now())
    if (changesAtMs !== undefined) queue.addAfter(key, changesAtMs - deps.clock.now())
    if (deepEqual(status, budget.status)) return
    await unlessGone(() =>
      deps.client.resource<PodDisruptionBudget>(podDisruptionBudgets, budget.metadata.namespace).updateStatus({ ...budget, status }),
    )
  }
  return () => queue.runWorkers(1, sync)
}

function selects({ spec }: PodDisruptionBudget, pod: Pod): boolean {
  return spec?.selector !== undefined && labelSelectorMatcher(spec.selector)(pod.metadata.labels)
}

const replicasOf = (object: KubeObject): number | undefined => (object as KubeObject & { spec?: { replicas?: number } }).spec?.replicas

/** The replicas of all controllers of these pods, each counted once; pods that have none count for nothing. */
function expectedScale(deps: ControllerDeps, pods: readonly Pod[]): number {
  const counted = new Map<string, number>()
  for (const pod of pods) {
    const owner = scaledOwner(deps, pod)
    if (owner) counted.set(owner.metadata.uid, replicasOf(owner) ?? 1)
  }
  return [...counted.values()].reduce((sum, replicas) => sum + replicas, 0)
}

function scaledOwner({ informers }: ControllerDeps, pod: Pod): KubeObject | undefined {
  const reference = controllerOf(pod)
  if (!reference) return undefined
  const kind = storedKinds.find((one) => one.kind === reference.kind && one.scale && informers.has(one)) as Kind | undefined
  const owner = kind && informers.of(kind).get(`${pod.metadata.namespace}/${reference.name}`)
  if (owner?.metadata.uid !== reference.uid) {
    throw new UnknownScaleError(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`)
  }
  if (kind?.plural !== replicaSets.plural) return owner
  const above = controllerOf(owner)
  const deployment = above?.kind === 'Deployment' ? informers.of(deployments).get(`${pod.metadata.namespace}/${above.name}`) : undefined
  return deployment?.metadata.uid === above?.uid && deployment ? deployment : owner
}
