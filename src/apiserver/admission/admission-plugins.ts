import { alwaysPullImages } from './always-pull-images.ts'
import { certificateApproval } from './certificates/approval.ts'
import { certificateSigning } from './certificates/signing.ts'
import { certificateSubjectRestriction } from './certificates/subject-restriction.ts'
import { clusterTrustBundleAttest } from './certificates/trust-bundle-attest.ts'
import { claimResize } from './claim-resize.ts'
import { defaultIngressClass, defaultStorageClass } from './default-class.ts'
import { defaultTolerations } from './default-tolerations.ts'
import { denyServiceExternalIps } from './deny-service-external-ips.ts'
import { extendedResourceToleration } from './extended-resource-toleration.ts'
import { inUseProtection } from './in-use-protection.ts'
import { limitPodHardAntiAffinityTopology } from './limit-pod-anti-affinity.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceAutoProvision } from './namespace-auto-provision.ts'
import { namespaceExists } from './namespace-exists.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import { ownerReferencesPermissionEnforcement } from './owner-references.ts'
import type { AdmissionPlugin } from './plugin.ts'
import { podNodeSelector } from './pod-node-selector.ts'
import { podSecurity } from './pod-security/pod-security.ts'
import { mutatingAdmissionPolicy } from './policies/mutating-policy.ts'
import { validatingAdmissionPolicy } from './policies/validating-policy.ts'
import { priority } from './priority.ts'
import { rbacEscalation } from './rbac-escalation.ts'
import { runtimeClass } from './runtime-class.ts'
import { serviceAccount } from './service-account.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'

/** In the commit of what they count (resource-quota/): after all the others, so that nothing is charged that one of them refuses. */
export const resourceQuota: AdmissionPlugin = { name: 'ResourceQuota' }

/** Changes nothing and refuses nothing. */
const alwaysAdmit: AdmissionPlugin = { name: 'AlwaysAdmit' }

/**
 * Upstream's order. Whether the place exists comes first; then what nodes may write, as they sent it, before anything is
 * filled in for them. Limits are filled in before what counts or compares them; what judges a pod as a whole
 * (PodSecurity) only validates, so that it sees what every other plug-in made of it.
 */
export const allPlugins: readonly AdmissionPlugin[] = [
  alwaysAdmit,
  namespaceAutoProvision,
  namespaceLifecycle,
  namespaceExists,
  nodeRestriction,
  limitPodHardAntiAffinityTopology,
  limitRanger,
  serviceAccount,
  taintNodesByCondition,
  alwaysPullImages,
  podSecurity(),
  podNodeSelector(),
  priority,
  defaultTolerations,
  extendedResourceToleration,
  defaultStorageClass,
  inUseProtection,
  ownerReferencesPermissionEnforcement,
  claimResize,
  runtimeClass,
  certificateApproval,
  certificateSigning,
  clusterTrustBundleAttest,
  certificateSubjectRestriction,
  defaultIngressClass,
  denyServiceExternalIps,
  mutatingAdmissionPolicy(),
  validatingAdmissionPolicy(),
  resourceQuota,
]

/** No plug-in of upstream's, but a check that is always made. */
export const alwaysOn: readonly AdmissionPlugin[] = [rbacEscalation]

export const offByDefault: ReadonlySet<string> = new Set([
  'AlwaysAdmit',
  'AlwaysPullImages',
  'DenyServiceExternalIPs',
  'ExtendedResourceToleration',
  'LimitPodHardAntiAffinityTopology',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'OwnerReferencesPermissionEnforcement',
  'PodNodeSelector',
])

/** Upstream's, without a counterpart here. */
export const notHere: ReadonlySet<string> = new Set([
  'AlwaysDeny',
  'EventRateLimit',
  'ImagePolicyWebhook',
  'JobValidation',
  'MutatingAdmissionWebhook',
  'NodeDeclaredFeatureValidator',
  'PodGroupProtection',
  'PodGroupWorkloadExists',
  'PodResizeValidator',
  'PodTolerationRestriction',
  'PodTopologyLabels',
  'ValidatingAdmissionWebhook',
])
