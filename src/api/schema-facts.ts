import { bareTypeName, type Field } from '../machinery/schema.ts'

/**
 * What the published models lack, as facts by `Type.field`: how lists and maps merge, and which strings are quantities.
 * Sources: the markers (+listType, +listMapKey, +patchStrategy, +patchMergeKey, +mapType) of k8s.io/api v1.36 and the
 * OpenAPI documents made from them. Type names are bare: `HorizontalPodAutoscalerStatus` stands for all its versions.
 */
export type FieldFacts = Pick<Field, 'patchStrategy' | 'patchMergeKey' | 'listType' | 'listMapKeys' | 'mapType' | 'keyDefault'>

/** Both kinds of merging go by the same one key. */
const keyed = (key: string): FieldFacts => ({
  patchStrategy: ['merge'],
  patchMergeKey: key,
  listType: 'map',
  listMapKeys: [key],
})
/** Server-side apply merges by these keys; strategic merge replaces the list. */
const appliedBy = (...keys: string[]): FieldFacts => ({ listType: 'map', listMapKeys: keys })
/** As {@link keyed}, and a patch drops the fields of an item that it doesn't name in $retainKeys. */
const keyedRetain = (key: string): FieldFacts => ({ ...keyed(key), patchStrategy: ['merge', 'retainKeys'] })
/** The two ways of merging have different keys. */
const keyedTwice = (patchKey: string, ...keys: string[]): FieldFacts => ({
  ...appliedBy(...keys),
  patchStrategy: ['merge'],
  patchMergeKey: patchKey,
})
/** A strategic patch merges by a key, server-side apply replaces the list. */
const patchedBy = (key: string): FieldFacts => ({ patchStrategy: ['merge'], patchMergeKey: key, listType: 'atomic' })
const set: FieldFacts = { listType: 'set' }
const mergedSet: FieldFacts = { patchStrategy: ['merge'], listType: 'set' }
const atomicList: FieldFacts = { listType: 'atomic' }
const atomicMap: FieldFacts = { mapType: 'atomic' }

const facts: Readonly<Record<string, FieldFacts>> = {
  // meta/v1
  'ObjectMeta.finalizers': mergedSet,
  'ObjectMeta.ownerReferences': keyed('uid'),
  'LabelSelectorRequirement.key': { patchStrategy: ['merge'], patchMergeKey: 'key' },

  // core/v1
  'ComponentStatus.conditions': keyed('type'),
  'Container.env': keyed('name'),
  'Container.ports': keyedTwice('containerPort', 'containerPort', 'protocol'),
  'Container.volumeDevices': keyed('devicePath'),
  'Container.volumeMounts': keyed('mountPath'),
  'ContainerPort.protocol': { keyDefault: 'TCP' },
  'ContainerStatus.allocatedResourcesStatus': keyed('name'),
  'ContainerStatus.volumeMounts': keyed('mountPath'),
  'ContainerRestartRuleOnExitCodes.values': set,
  'EphemeralContainer.env': keyed('name'),
  'EphemeralContainer.ports': keyedTwice('containerPort', 'containerPort', 'protocol'),
  'EphemeralContainer.volumeDevices': keyed('devicePath'),
  'EphemeralContainer.volumeMounts': keyed('mountPath'),
  'LoadBalancerIngress.ports': atomicList,
  'NamespaceStatus.conditions': keyed('type'),
  'NodeAllocatableResourceClaimStatus.containers': set,
  'NodeAllocatableResourceClaimStatus.mapping': keyed('name'),
  'NodeAllocatableResourceClaimStatus.overhead': keyed('name'),
  'NodePodPreemptionPolicy.disableResizePreemption': set,
  'NodeSpec.podCIDRs': mergedSet,
  'NodeStatus.addresses': keyed('type'),
  'NodeStatus.conditions': keyed('type'),
  'PersistentVolumeClaimStatus.allocatedResourceStatuses': { mapType: 'granular' },
  'PersistentVolumeClaimStatus.conditions': keyed('type'),
  'PersistentVolumeSpec.claimRef': { mapType: 'granular' },
  'PodSpec.containers': keyed('name'),
  'PodSpec.ephemeralContainers': keyed('name'),
  'PodSpec.evictionResponders': keyed('name'),
  'PodSpec.hostAliases': keyed('ip'),
  'PodSpec.imagePullSecrets': keyed('name'),
  'PodSpec.initContainers': keyed('name'),
  'PodSpec.nodeSelector': atomicMap,
  'PodSpec.resourceClaims': keyedRetain('name'),
  'PodSpec.schedulingGates': keyed('name'),
  'PodSpec.topologySpreadConstraints': keyedTwice('topologyKey', 'topologyKey', 'whenUnsatisfiable'),
  'PodSpec.volumes': keyedRetain('name'),
  'PodStatus.conditions': keyed('type'),
  'PodStatus.hostIPs': patchedBy('ip'),
  'PodStatus.nodeAllocatableResourceClaimStatuses': keyed('resourceClaimName'),
  'PodStatus.podIPs': keyed('ip'),
  'PodStatus.resourceClaimStatuses': keyedRetain('name'),
  'PodStatus.volumeHealth': appliedBy('name'),
  'PodVolumeHealth.healthConditions': keyedTwice('status', 'status', 'reason'),
  'ReplicationControllerSpec.selector': atomicMap,
  'ReplicationControllerStatus.conditions': keyed('type'),
  'ResourceRequirements.claims': appliedBy('name'),
  'ResourceStatus.resources': appliedBy('resourceID'),
  'ServiceAccount.secrets': keyed('name'),
  'ServicePort.protocol': { keyDefault: 'TCP' },
  'ServiceSpec.clusterIPs': atomicList,
  'ServiceSpec.ipFamilies': atomicList,
  'ServiceSpec.ports': keyedTwice('port', 'port', 'protocol'),
  'ServiceSpec.selector': atomicMap,
  'ServiceStatus.conditions': keyed('type'),
  'TopologySpreadConstraint.matchLabelKeys': atomicList,
  'VolumeHealthStatus.healthConditions': keyedTwice('status', 'status', 'reason'),
  'VolumeMount.bindMountOptions': set,

  // apps/v1
  'DaemonSetStatus.conditions': keyed('type'),
  'DeploymentSpec.strategy': { patchStrategy: ['retainKeys'] },
  'DeploymentStatus.conditions': keyed('type'),
  'ReplicaSetStatus.conditions': keyed('type'),
  'StatefulSetStatus.conditions': keyed('type'),

  // batch/v1
  'CronJobStatus.active': atomicList,
  'JobSchedulingConfiguration.resourceClaims': keyed('name'),
  'JobStatus.conditions': patchedBy('type'),
  'PodFailurePolicy.rules': atomicList,
  'PodFailurePolicyOnExitCodesRequirement.values': set,
  'PodFailurePolicyRule.onPodConditions': atomicList,
  'SuccessPolicy.rules': atomicList,
  'UncountedTerminatedPods.failed': set,
  'UncountedTerminatedPods.succeeded': set,

  // discovery.k8s.io/v1
  'Endpoint.addresses': set,
  'EndpointHints.forNodes': atomicList,
  'EndpointHints.forZones': atomicList,
  'EndpointSlice.endpoints': atomicList,
  'EndpointSlice.ports': atomicList,

  // the other groups
  'APIServiceStatus.conditions': keyed('type'),
  'AllocatedDeviceStatus.conditions': appliedBy('type'),
  'CSIDriverSpec.volumeLifecycleModes': set,
  'CSINodeSpec.drivers': keyed('name'),
  'CSINodeStatus.storageHealth': keyed('name'),
  'CertificateSigningRequestStatus.conditions': appliedBy('type'),
  'CustomResourceDefinitionStatus.conditions': appliedBy('type'),
  'DeviceRequestAllocationResult.skipNodeOperations': set,
  'DeviceTaintRuleStatus.conditions': keyed('type'),
  'FlowSchemaStatus.conditions': keyed('type'),
  'HorizontalPodAutoscalerStatus.conditions': keyed('type'),
  'JSONSchemaProps.x-kubernetes-validations': keyed('rule'),
  'MutatingAdmissionPolicySpec.matchConditions': keyed('name'),
  'MutatingWebhook.matchConditions': keyed('name'),
  'MutatingWebhookConfiguration.webhooks': keyed('name'),
  'NonResourcePolicyRule.nonResourceURLs': set,
  'NonResourcePolicyRule.verbs': set,
  'PodCertificateRequestStatus.conditions': keyed('type'),
  'PodDisruptionBudgetSpec.selector': { patchStrategy: ['replace'] },
  'PodDisruptionBudgetStatus.conditions': keyed('type'),
  'PriorityLevelConfigurationStatus.conditions': keyed('type'),
  'ResourceClaimStatus.devices': appliedBy('driver', 'device', 'pool', 'shareID'),
  'ResourceClaimStatus.reservedFor': keyed('uid'),
  'ResourcePolicyRule.apiGroups': set,
  'ResourcePolicyRule.namespaces': set,
  'ResourcePolicyRule.resources': set,
  'ResourcePolicyRule.verbs': set,
  'ResourceSliceSpec.skipNodeOperations': set,
  'Scheduling.nodeSelector': atomicMap,
  'ServiceCIDRStatus.conditions': keyed('type'),
  'StorageVersionMigrationStatus.conditions': keyed('type'),
  'ValidatingAdmissionPolicyBindingSpec.validationActions': set,
  'ValidatingAdmissionPolicySpec.matchConditions': keyed('name'),
  'ValidatingAdmissionPolicySpec.variables': keyed('name'),
  'ValidatingAdmissionPolicyStatus.conditions': appliedBy('type'),
  'ValidatingWebhook.matchConditions': keyed('name'),
  'ValidatingWebhookConfiguration.webhooks': keyed('name'),
}

/** Values of these types (whole names: flowcontrol's Subject is none) are owned and replaced as a whole by server-side apply. */
const atomicTypes: ReadonlySet<string> = new Set([
  'ConfigMapKeySelector',
  'CrossVersionObjectReference',
  'CoreV1EndpointPort',
  'DiscoveryV1EndpointPort',
  'EndpointAddress',
  'EvictionResponder',
  'FileKeySelector',
  'LabelSelector',
  'LocalObjectReference',
  'MatchResources',
  'NamedRuleWithOperations',
  'NodeSelector',
  'NodeSelectorTerm',
  'ObjectFieldSelector',
  'ObjectReference',
  'OwnerReference',
  'ParamKind',
  'ParamRef',
  'RbacV1Subject',
  'ResourceFieldSelector',
  'RoleRef',
  'ScopeSelector',
  'SecretKeySelector',
  'SecretReference',
  'ServiceBackendPort',
  'TopologySelectorTerm',
  'TypedLocalObjectReference',
  'Variable',
])

/** Fields whose string, or whose map's or list's strings, are quantities. */
const quantities: ReadonlySet<string> = new Set([
  'CSIStorageCapacity.capacity',
  'CSIStorageCapacity.maximumVolumeSize',
  'CapacityRequestPolicy.default',
  'CapacityRequestPolicy.validValues',
  'CapacityRequestPolicyRange.max',
  'CapacityRequestPolicyRange.min',
  'CapacityRequestPolicyRange.step',
  'CapacityRequirements.requests',
  'ContainerStatus.allocatedResources',
  'Counter.value',
  'DeviceCapacity.value',
  'DeviceRequestAllocationResult.consumedCapacity',
  'EmptyDirVolumeSource.sizeLimit',
  'HPAScalingRules.tolerance',
  'LimitRangeItem.default',
  'LimitRangeItem.defaultRequest',
  'LimitRangeItem.max',
  'LimitRangeItem.maxLimitRequestRatio',
  'LimitRangeItem.min',
  'MetricTarget.averageValue',
  'MetricTarget.value',
  'MetricValueStatus.averageValue',
  'MetricValueStatus.value',
  'NodeAllocatableMappedResources.quantity',
  'NodeAllocatableMapping.capacityMultiplier',
  'NodeAllocatableMapping.deviceMultiplier',
  'NodeAllocatableOverhead.perContainer',
  'NodeAllocatableOverhead.perPod',
  'NodeAllocatableOverheadResources.perContainer',
  'NodeAllocatableOverheadResources.perPod',
  'NodeStatus.allocatable',
  'NodeStatus.capacity',
  'Overhead.podFixed',
  'PersistentVolumeClaimStatus.allocatedResources',
  'PersistentVolumeClaimStatus.capacity',
  'PersistentVolumeSpec.capacity',
  'PodSpec.overhead',
  'PodStatus.allocatedResources',
  'ResourceFieldSelector.divisor',
  'ResourceQuotaSpec.hard',
  'ResourceQuotaStatus.hard',
  'ResourceQuotaStatus.used',
  'ResourceRequirements.limits',
  'ResourceRequirements.requests',
  'VolumeResourceRequirements.limits',
  'VolumeResourceRequirements.requests',
])

const none: FieldFacts = {}

export function factsOf(typeName: string, field: string): FieldFacts {
  return facts[`${bareTypeName(typeName)}.${field}`] ?? none
}

export function isQuantity(typeName: string, field: string): boolean {
  return quantities.has(`${bareTypeName(typeName)}.${field}`)
}

export function isAtomicType(typeName: string): boolean {
  return atomicTypes.has(typeName)
}
