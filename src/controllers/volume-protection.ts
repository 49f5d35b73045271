import { isTerminated } from '../api/core/pod-facts.ts'
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { persistentVolumeClaims, persistentVolumes, pods as podKind } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { type KubeObject, objectKey } from '../machinery/object.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import { unlessGone } from './unless-gone.ts'

/** The claims that a pod uses, those of its ephemeral volumes too. */
export function claimsOf({ metadata, spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName]
    return ephemeral ? [`${metadata.name}-${name}`] : []
  })
}

/** A pod that has ended, or has not been given a node and is going, holds no volume. */
function holds(pod: Pod, claim: string): boolean {
  const neverRan = !pod.spec.nodeName && pod.metadata.deletionTimestamp !== undefined
  return !isTerminated(pod) && !neverRan && claimsOf(pod).includes(claim)
}

/** Lets claims that are to go go once no pod uses them. */
export const claimProtectionController: Controller = (deps) => {
  const queue = queueOf(deps, 'pvc-protection-controller')
  const claims = deps.informers.of(persistentVolumeClaims)
  const pods = deps.informers.of(podKind)
  const add = (claim: PersistentVolumeClaim): void => queue.add(objectKey(claim))
  const touch = (pod: Pod): void => {
    for (const claim of claimsOf(pod)) queue.add(`${pod.metadata.namespace}/${claim}`)
  }
  claims.on({ added: add, updated: add })
  pods.on({ updated: touch, deleted: touch })
  const sync = async (key: string): Promise<void> => {
    const claim = claims.get(key)
    if (!claim || claim.metadata.deletionTimestamp === undefined) return
    const inUse = pods.byIndex('namespace', claim.metadata.namespace ?? '').some((pod) => holds(pod, claim.metadata.name))
    if (!inUse) await release(deps, persistentVolumeClaims, claim, 'kubernetes.io/pvc-protection')
  }
  return () => queue.runWorkers(1, sync)
}

/** Lets volumes that are to go go once no claim is bound to them. */
export const volumeProtectionController: Controller = (deps) => {
  const queue = queueOf(deps, 'pv-protection-controller')
  const volumes = deps.informers.of(persistentVolumes)
  const add = (volume: PersistentVolume): void => queue.add(objectKey(volume))
  volumes.on({ added: add, updated: add })
  const sync = async (key: string): Promise<void> => {
    const volume = volumes.get(key)
    if (!volume || volume.metadata.deletionTimestamp === undefined || volume.status?.phase === 'Bound') return
    await release(deps, persistentVolumes, volume, 'kubernetes.io/pv-protection')
  }
  return () => queue.runWorkers(1, sync)
}

function queueOf(deps: ControllerDeps, name: string): WorkQueue {
  return new WorkQueue({ ...deps, log: deps.log.named(name), name })
}

async function release<T extends KubeObject>(deps: ControllerDeps, kind: Kind<T>, object: T, finalizer: string): Promise<void> {
  const { finalizers = [], namespace } = object.metadata
  if (!finalizers.includes(finalizer)) return
  const metadata = { ...object.metadata, finalizers: finalizers.filter((one) => one !== finalizer) }
  await unlessGone(() => deps.client.resource<T>(kind, namespace).update({ ...object, metadata }))
}
