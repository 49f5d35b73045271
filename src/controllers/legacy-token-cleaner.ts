import { accountNameAnnotation, accountTokenType, dateOf, invalidSinceLabel, lastUsedLabel } from '../api/core/account-token-secret.ts'
import { secretNamesOf } from '../api/core/pod-references.ts'
import type { ConfigMap, Secret } from '../api/generated/types.ts'
import { configMaps, pods as podKind, secrets as secretKind, serviceAccounts } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { isAlreadyExists, isConflict } from '../machinery/status.ts'
import type { Controller } from './controller-deps.ts'
import { unlessGone } from './unless-gone.ts'

const dayMs = 24 * 60 * 60 * 1000
/** How long nobody has used a token before it is no longer good; and how long after that it goes. */
const unusedMs = 365 * dayMs

/** Where servers say since when they note the use of tokens. */
const tracking = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }

/** `atMs`: tokens that were made or used, or taken out of use, after this are left alone. */
export function stepFor(
  { metadata: { creationTimestamp, labels = {} } }: Secret,
  { made, mounted, atMs }: { readonly made: boolean; readonly mounted: boolean; readonly atMs: number },
): 'keep' | 'invalidate' | 'delete' {
  const limit = dateOf(atMs)
  if (!made || mounted || Date.parse(creationTimestamp) > atMs) return 'keep'
  if ((labels[lastUsedLabel] ?? '') > limit) return 'keep'
  const since = labels[invalidSinceLabel]
  if (!since) return 'invalidate'
  return since > limit ? 'keep' : 'delete'
}

/**
 * Takes tokens out of use that Kubernetes of before 1.24 made by itself (their accounts name them) and that nobody has used
 * for a year; a year later they go (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#legacy-serviceaccount-token-cleaner).
 */
export const legacyTokenCleaner: Controller = (deps) => {
  const name = 'legacy-serviceaccount-token-cleaner-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const [secrets, accounts, pods] = [deps.informers.of(secretKind), deps.informers.of(serviceAccounts), deps.informers.of(podKind)]
  const maps = deps.informers.of(configMaps)

  /** Since when use has been noted, in milliseconds; what was lost or makes no sense begins anew. */
  const trackedSince = async (): Promise<number> => {
    const now = deps.clock.now()
    const stored = maps.get(`${tracking.namespace}/${tracking.name}`)
    const since = Date.parse(stored?.data?.since ?? '')
    if (since <= now) return since
    const client = deps.client.resource<ConfigMap>(configMaps, tracking.namespace)
    const data = { since: dateOf(now) }
    const write = stored ? client.update({ ...stored, data }) : client.create({ metadata: { name: tracking.name }, data })
    await write.catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
    return now
  }

  const clean = async (secret: Secret, atMs: number): Promise<void> => {
    const { namespace = '', name: secretName, uid, resourceVersion = '', annotations } = secret.metadata
    const account = accounts.get(`${namespace}/${annotations?.[accountNameAnnotation]}`)
    const made = account?.secrets?.some((one) => one.name === secretName) === true
    const mounted = pods.byIndex('namespace', namespace).some((pod) => secretNamesOf(pod).includes(secretName))
    const step = stepFor(secret, { made, mounted, atMs })
    const client = deps.client.resource<Secret>(secretKind, namespace)
    const labels = { [invalidSinceLabel]: dateOf(deps.clock.now()) }
    if (step === 'invalidate') {
      await unlessGone(() => client.patch(secretName, { type: 'merge', body: { metadata: { resourceVersion, labels } } }))
    } else if (step === 'delete') await unlessGone(() => client.delete(secretName, { preconditions: { uid, resourceVersion } }))
  }

  const sync = async (key: string): Promise<void> => {
    const atMs = deps.clock.now() - unusedMs
    // The date alone is known: the day counts as not tracked.
    if ((await trackedSince()) + dayMs <= atMs) {
      for (const secret of secrets.list()) {
        if (secret.type !== accountTokenType) continue
        // Somebody has just used it, or changed it: tomorrow is another day.
        await clean(secret, atMs).catch((error: unknown) => {
          if (!isConflict(error)) throw error
        })
      }
    }
    queue.addAfter(key, dayMs)
  }
  return () => {
    queue.add('all')
    return queue.runWorkers(1, sync)
  }
}
