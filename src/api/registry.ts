import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { mutatingAdmissionPolicies, validatingAdmissionPolicies } from './admissionregistration/admission-policies.ts'
import { mutatingAdmissionPolicyBindings, validatingAdmissionPolicyBindings } from './admissionregistration/policy-bindings.ts'
import { mutatingWebhookConfigurations, validatingWebhookConfigurations } from './admissionregistration/webhook-configurations.ts'
import { customResourceDefinitions } from './apiextensions/custom-resource-definition.ts'
import { apiServices } from './apiregistration/api-service.ts'
import { controllerRevisions } from './apps/controller-revision.ts'
import { daemonSets } from './apps/daemon-set.ts'
import { deployments } from './apps/deployment.ts'
import { replicaSets } from './apps/replica-set.ts'
import { statefulSets } from './apps/stateful-set.ts'
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1 } from './autoscaling/horizontal-pod-autoscaler.ts'
import { cronJobs } from './batch/cron-job.ts'
import { jobs } from './batch/job.ts'
import { certificateSigningRequests } from './certificates/certificate-signing-request.ts'
import { clusterTrustBundles } from './certificates/cluster-trust-bundle.ts'
import { podCertificateRequests } from './certificates/pod-certificate-request.ts'
import { leases } from './coordination/lease.ts'
import { componentStatuses } from './core/component-status.ts'
import { configMaps } from './core/config-map.ts'
import { endpoints } from './core/endpoints.ts'
import { events } from './core/event.ts'
import { limitRanges } from './core/limit-range.ts'
import { namespaces } from './core/namespace.ts'
import { nodes } from './core/node.ts'
import { persistentVolumes } from './core/persistent-volume.ts'
import { persistentVolumeClaims } from './core/persistent-volume-claim.ts'
import { pods } from './core/pod.ts'
import { podTemplates } from './core/pod-template.ts'
import { replicationControllers } from './core/replication-controller.ts'
import { resourceQuotas } from './core/resource-quota.ts'
import { secrets } from './core/secret.ts'
import { services } from './core/service.ts'
import { serviceAccounts } from './core/service-account.ts'
import { endpointSlices } from './discovery/endpoint-slice.ts'
import { newEvents } from './events/event.ts'
import { flowSchemas } from './flowcontrol/flow-schema.ts'
import { priorityLevelConfigurations } from './flowcontrol/priority-level-configuration.ts'
import type { Kind } from './kind.ts'
import { ingresses } from './networking/ingress.ts'
import { ingressClasses } from './networking/ingress-class.ts'
import { ipAddresses } from './networking/ip-address.ts'
import { networkPolicies } from './networking/network-policy.ts'
import { serviceCidrs } from './networking/service-cidr.ts'
import { runtimeClasses } from './node/runtime-class.ts'
import { podDisruptionBudgets } from './policy/pod-disruption-budget.ts'
import { clusterRoles, roles } from './rbac/role.ts'
import { clusterRoleBindings, roleBindings } from './rbac/role-binding.ts'
import { deviceClasses } from './resource/device-class.ts'
import { deviceTaintRules } from './resource/device-taint-rule.ts'
import { resourceClaims, resourceClaimTemplates } from './resource/resource-claim.ts'
import { resourceSlices } from './resource/resource-slice.ts'
import { priorityClasses } from './scheduling/priority-class.ts'
import { csiDrivers } from './storage/csi-driver.ts'
import { csiNodes } from './storage/csi-node.ts'
import { csiStorageCapacities } from './storage/csi-storage-capacity.ts'
import { storageClasses } from './storage/storage-class.ts'
import { volumeAttachments } from './storage/volume-attachment.ts'
import { volumeAttributesClasses } from './storage/volume-attributes-class.ts'
import { storageVersionMigrations } from './storagemigration/storage-version-migration.ts'

export {
  apiServices,
  certificateSigningRequests,
  clusterRoleBindings,
  clusterRoles,
  clusterTrustBundles,
  componentStatuses,
  configMaps,
  deployments,
  endpointSlices,
  endpoints,
  events,
  flowSchemas,
  ingressClasses,
  ingresses,
  ipAddresses,
  leases,
  limitRanges,
  namespaces,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  podCertificateRequests,
  podDisruptionBudgets,
  pods,
  priorityClasses,
  priorityLevelConfigurations,
  replicaSets,
  replicationControllers,
  resourceQuotas,
  roleBindings,
  roles,
  runtimeClasses,
  secrets,
  serviceAccounts,
  serviceCidrs,
  services,
  storageClasses,
}

/** Forgets which objects a kind is for. Sound because the server only ever hands a kind objects of that kind. */
function anyKind<T extends KubeObject>(kind: Kind<T>): Kind {
  return kind as unknown as Kind
}

/**
 * Every built-in kind: a new one is a new row. Groups stand in upstream's order of priority, a group's preferred version
 * first: discovery tells them so, and clients take the first that has what they look for.
 */
export const kinds: readonly Kind[] = [
  anyKind(componentStatuses),
  anyKind(configMaps),
  anyKind(endpoints),
  anyKind(events),
  anyKind(limitRanges),
  anyKind(namespaces),
  anyKind(nodes),
  anyKind(persistentVolumes),
  anyKind(persistentVolumeClaims),
  anyKind(pods),
  anyKind(podTemplates),
  anyKind(replicationControllers),
  anyKind(resourceQuotas),
  anyKind(secrets),
  anyKind(services),
  anyKind(serviceAccounts),
  anyKind(apiServices),
  anyKind(controllerRevisions),
  anyKind(daemonSets),
  anyKind(deployments),
  anyKind(replicaSets),
  anyKind(statefulSets),
  anyKind(newEvents),
  anyKind(horizontalPodAutoscalers),
  anyKind(horizontalPodAutoscalersV1),
  anyKind(cronJobs),
  anyKind(jobs),
  anyKind(certificateSigningRequests),
  anyKind(clusterTrustBundles),
  anyKind(podCertificateRequests),
  anyKind(ingresses),
  anyKind(ingressClasses),
  anyKind(ipAddresses),
  anyKind(networkPolicies),
  anyKind(serviceCidrs),
  anyKind(podDisruptionBudgets),
  anyKind(clusterRoleBindings),
  anyKind(roleBindings),
  anyKind(clusterRoles),
  anyKind(roles),
  anyKind(csiDrivers),
  anyKind(csiNodes),
  anyKind(csiStorageCapacities),
  anyKind(storageClasses),
  anyKind(volumeAttachments),
  anyKind(volumeAttributesClasses),
  anyKind(mutatingAdmissionPolicies),
  anyKind(validatingAdmissionPolicies),
  anyKind(mutatingAdmissionPolicyBindings),
  anyKind(validatingAdmissionPolicyBindings),
  anyKind(mutatingWebhookConfigurations),
  anyKind(validatingWebhookConfigurations),
  anyKind(customResourceDefinitions),
  anyKind(priorityClasses),
  anyKind(leases),
  anyKind(runtimeClasses),
  anyKind(endpointSlices),
  anyKind(flowSchemas),
  anyKind(priorityLevelConfigurations),
  anyKind(deviceClasses),
  anyKind(deviceTaintRules),
  anyKind(resourceClaims),
  anyKind(resourceClaimTemplates),
  anyKind(resourceSlices),
  anyKind(storageVersionMigrations),
]

/** Those that the store knows: the others are further forms of the same objects. */
export const storedKinds: readonly Kind[] = kinds.filter((kind) => !kind.storedAs)

const byResource = new Map(kinds.map((kind) => [`${apiVersionOf(kind)}/${kind.plural}`, kind]))
const byKind = new Map(kinds.map((kind) => [`${apiVersionOf(kind)}/${kind.kind}`, kind]))

/** The kind behind a path, such as apps, v1, deployments ('' is the core group). */
export function kindFor(group: string, version: string, plural: string): Kind | undefined {
  return byResource.get(`${apiVersionOf({ group, version })}/${plural}`)
}

/** The kind that an object names: `apps/v1`, `Deployment`. */
export function kindNamed(apiVersion: string, kind: string): Kind | undefined {
  return byKind.get(`${apiVersion}/${kind}`)
}
