import { certificateApproval } from './certificates/approval.ts'
import { certificateSigning } from './certificates/signing.ts'
import { certificateSubjectRestriction } from './certificates/subject-restriction.ts'
import { clusterTrustBundleAttest } from './certificates/trust-bundle-attest.ts'
import { claimResize } from './claim-resize.ts'
import { defaultIngressClass, defaultStorageClass } from './default-class.ts'
import { defaultTolerations } from './default-tolerations.ts'
import { inUseProtection } from './in-use-protection.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import type { AdmissionFacts, AdmissionPlugin, AdmissionRequest } from './plugin.ts'
import { podSecurity } from './pod-security/pod-security.ts'
import { priority } from './priority.ts'
import { rbacEscalation } from './rbac-escalation.ts'
import { runtimeClass } from './runtime-class.ts'
import { serviceAccount } from './service-account.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'

/**
 * Upstream's order. Whether the place exists comes first; then what nodes may write, as they sent it, before anything is
 * filled in for them. Limits are filled in before what counts or compares them; what judges a pod as a whole
 * (PodSecurity) only validates, so that it sees what every other plug-in made of it. Quotas come after all of these
 * (resource-quota.ts): nothing is charged that another plug-in refuses.
 */
const plugins: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  nodeRestriction,
  limitRanger,
  serviceAccount,
  taintNodesByCondition,
  podSecurity,
  priority,
  defaultTolerations,
  defaultStorageClass,
  inUseProtection,
  claimResize,
  runtimeClass,
  certificateApproval,
  certificateSigning,
  clusterTrustBundleAttest,
  certificateSubjectRestriction,
  defaultIngressClass,
  rbacEscalation,
]

export function admit(request: AdmissionRequest, facts: AdmissionFacts): void {
  for (const plugin of plugins) plugin.admit?.(request, facts)
}

export function validateAdmitted(request: AdmissionRequest, facts: AdmissionFacts): void {
  for (const plugin of plugins) plugin.validate?.(request, facts)
}
