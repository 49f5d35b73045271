import type { Client } from '../client/client.ts'
import type { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import { bootstrapSigner } from './bootstrap/signer.ts'
import { tokenCleaner } from './bootstrap/token-cleaner.ts'
import { certificateApprovingController } from './certificates/approving.ts'
import { certificateCleaner } from './certificates/cleaner.ts'
import { podCertificateRequestCleaner } from './certificates/pod-request-cleaner.ts'
import { certificateSigningController, type SignCertificate } from './certificates/signing.ts'
import { trustBundlePublisher } from './certificates/trust-bundle-publisher.ts'
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts'
import type { Controller } from './controller-deps.ts'
import { deploymentController } from './deployment/controller.ts'
import { disruptionController } from './disruption.ts'
import { endpointsController } from './endpoints/endpoints.ts'
import { endpointSliceController } from './endpoints/endpointslice.ts'
import { garbageCollector } from './garbage-collector.ts'
import { Informers } from './informers.ts'
import { legacyAccountTokens, type SignAccountToken } from './legacy-account-tokens.ts'
import { legacyTokenCleaner } from './legacy-token-cleaner.ts'
import { namespaceController } from './namespace.ts'
import { nodeLifecycleController } from './node-lifecycle.ts'
import { podGarbageCollector } from './pod-gc.ts'
import { policyStatusController } from './policy-status.ts'
import { replicaSetController, replicationController } from './replicaset.ts'
import { resourceQuotaController } from './resource-quota.ts'
import { serviceAccountController } from './service-account.ts'
import { serviceCidrController } from './service-cidr.ts'
import { taintEvictionController } from './taint-eviction.ts'
import { claimProtectionController, volumeProtectionController } from './volume-protection.ts'

export interface StartControllersDeps {
  client: Client
  clock: Clock
  random: Random
  log: Log
  /** Ends all controllers. */
  signal: AbortSignal
  /** PEM: what pods find in kube-root-ca.crt; '': there is none, as nothing is served. */
  clusterCa: string
  /** Signs requests for certificates; undefined: those are left to others. */
  signCertificate: SignCertificate | undefined
  /** Signs what Secrets hold as the tokens of accounts; undefined: they stay empty. */
  signAccountToken: SignAccountToken | undefined
  /** Absent: nobody measures the work queues. */
  queueMetrics?: WorkQueueMetrics
  /** A controller has ended that should not have. */
  failed?: (error: unknown) => void
}

/** Starts all controllers; resolves once their informers are synced and their workers run. */
export async function startControllers(deps: StartControllersDeps): Promise<void> {
  const informers = new Informers(deps)
  // The order is only that of the log: controllers meet in the API alone.
  const controllers: readonly Controller[] = [
    namespaceController,
    serviceAccountController(deps.clusterCa),
    ...(deps.signAccountToken ? [legacyAccountTokens(deps.clusterCa, deps.signAccountToken)] : []),
    legacyTokenCleaner,
    tokenCleaner,
    bootstrapSigner,
    clusterRoleAggregationController,
    deploymentController,
    replicaSetController,
    replicationController,
    endpointSliceController,
    endpointsController,
    nodeLifecycleController,
    taintEvictionController,
    podGarbageCollector,
    disruptionController,
    claimProtectionController,
    volumeProtectionController,
    resourceQuotaController,
    serviceCidrController,
    garbageCollector,
    certificateApprovingController,
    ...(deps.signCertificate ? [certificateSigningController(deps.signCertificate)] : []),
    certificateCleaner,
    podCertificateRequestCleaner,
    policyStatusController,
    ...(deps.clusterCa ? [trustBundlePublisher(deps.clusterCa)] : []),
  ]
  const runs = controllers.map((controller) => controller({ ...deps, informers }))
  await informers.synced()
  for (const run of runs) {
    run().catch((error: unknown) => {
      deps.log.error('a controller ended', { error })
      deps.failed?.(error)
    })
  }
}
