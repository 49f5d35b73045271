/**
 * What v1.37 has and the published models (v1.36) lack, merged by tools/generate.ts. A field is its type in short:
 * `int32`, `string`, `date-time`, `[]Type`, `{}Type` (a map), with `!` where it is required, and its description after it.
 */
export const newerFields: Readonly<Record<string, Readonly<Record<string, readonly [type: string, description: string]>>>> = {
  // core/v1
  ClusterTrustBundleProjection: { user: ['int64', 'User id that owns the written file.'] },
  ConfigMapVolumeSource: { defaultUser: ['int64', 'User id that owns written files which name none.'] },
  DownwardAPIVolumeFile: { user: ['int64', 'User id that owns the written file.'] },
  DownwardAPIVolumeSource: { defaultUser: ['int64', 'User id that owns written files which name none.'] },
  EmptyDirVolumeSource: { mode: ['int32', 'Permission bits of the directory: 0 to 01777.'] },
  EvictionResponder: {
    name: ['string!', 'Name of the responder, a key with a domain such as example.com/drain.'],
    priority: ['int32!', 'Responders of a higher priority are asked first: 0 to 100000.'],
  },
  GRPCAction: { mode: ['string', 'Whether the probe speaks plain text or TLS.'] },
  HTTPGetAction: { protocol: ['string', 'Version of HTTP that the probe speaks.'] },
  KeyToPath: { user: ['int64', 'User id that owns the written file.'] },
  NodeAllocatableMappedResources: {
    name: ['string!', 'Name of the node allocatable resource.'],
    quantity: ['string!', 'How much of it the claim takes.'],
  },
  NodeAllocatableOverheadResources: {
    name: ['string!', 'Name of the node allocatable resource.'],
    perContainer: ['string', 'How much each container adds.'],
    perPod: ['string', 'How much each pod adds.'],
  },
  NodeAllocatableResourceClaimStatus: {
    mapping: ['[]NodeAllocatableMappedResources', 'Node allocatable resources that the claim takes.'],
    overhead: ['[]NodeAllocatableOverheadResources', 'What using the claim adds to node allocatable resources.'],
  },
  NodePodPreemptionPolicy: {
    disableResizePreemption: ['[]string', 'Who asks that no pod of the node gives way to one that is resized.'],
  },
  NodeSpec: { podPreemptionPolicy: ['NodePodPreemptionPolicy', 'When pods of this node may be preempted.'] },
  PersistentVolumeClaimStatus: { healthStatus: ['VolumeHealthStatus', 'Health of the volume as its driver reports it.'] },
  PodCertificateProjection: { user: ['int64', 'User id that owns the written file.'] },
  PodSpec: {
    evictionResponders: ['[]EvictionResponder', 'Who reacts to requests to evict this pod, at most ten. Set at creation only.'],
  },
  PodStatus: { volumeHealth: ['[]PodVolumeHealth', 'Health of the pod’s volumes.'] },
  PodVolumeHealth: {
    healthConditions: ['[]VolumeHealthCondition', 'What is amiss with the volume.'],
    lastTransitionTime: ['date-time', 'When the conditions last changed.'],
    name: ['string!', 'Name of the volume in the pod.'],
  },
  ProjectedVolumeSource: { defaultUser: ['int64', 'User id that owns written files which name none.'] },
  SecretVolumeSource: { defaultUser: ['int64', 'User id that owns written files which name none.'] },
  ServiceAccountTokenProjection: { user: ['int64', 'User id that owns the written file.'] },
  VolumeHealthCondition: {
    message: ['string', 'For people: what is amiss.'],
    reason: ['string!', 'For programs: why the volume is in this state.'],
    status: ['string!', 'State of the volume.'],
  },
  VolumeHealthStatus: {
    healthConditions: ['[]VolumeHealthCondition', 'What is amiss with the volume.'],
    lastTransitionTime: ['date-time', 'When the conditions last changed.'],
  },
  VolumeMount: { bindMountOptions: ['[]string', 'Further options of the bind mount.'] },

  // batch/v1
  JobSchedulingConfiguration: {
    disruptionMode: ['WorkloadPodGroupDisruptionMode', 'How the job’s pods may be disrupted: one by one or all at once.'],
    resourceClaims: ['[]WorkloadPodGroupResourceClaim', 'Claims that the job’s pods share, at most four.'],
    schedulingConstraints: ['WorkloadPodGroupSchedulingConstraints', 'Where the job’s pods must be together.'],
    schedulingPolicy: ['WorkloadPodGroupSchedulingPolicy', 'Whether the job’s pods are scheduled one by one or as a gang.'],
  },
  JobSpec: { scheduling: ['JobSchedulingConfiguration', 'How the job’s pods are scheduled as one workload.'] },
  TopologyConstraint: { key: ['string!', 'Label of nodes that all pods must have in common.'] },
  WorkloadPodGroupAllDisruptionMode: {},
  WorkloadPodGroupBasicSchedulingPolicy: {},
  WorkloadPodGroupDisruptionMode: {
    all: ['WorkloadPodGroupAllDisruptionMode', 'All pods at once.'],
    single: ['WorkloadPodGroupSingleDisruptionMode', 'Each pod on its own.'],
  },
  WorkloadPodGroupGangSchedulingPolicy: { minCount: ['int32', 'How many pods must fit for any to start.'] },
  WorkloadPodGroupResourceClaim: {
    name: ['string!', 'Name of the claim within the group.'],
    resourceClaimName: ['string', 'An existing ResourceClaim.'],
    resourceClaimTemplateName: ['string', 'The ResourceClaimTemplate to make one from.'],
  },
  WorkloadPodGroupSchedulingConstraints: { topology: ['[]TopologyConstraint', 'Labels of nodes that all pods must share.'] },
  WorkloadPodGroupSchedulingPolicy: {
    basic: ['WorkloadPodGroupBasicSchedulingPolicy', 'One pod at a time.'],
    gang: ['WorkloadPodGroupGangSchedulingPolicy', 'All or none.'],
  },
  WorkloadPodGroupSingleDisruptionMode: {},

  // the other groups
  CSINode: { status: ['CSINodeStatus', 'What the node’s drivers report.'] },
  CSINodeStatus: { storageHealth: ['[]StorageHealth', 'Health of the drivers’ storage.'] },
  Device: {
    nodeAllocatableResources: ['{}NodeAllocatableResource', 'Node allocatable resources that using the device takes, by name.'],
  },
  DeviceRequestAllocationResult: { skipNodeOperations: ['[]string', 'What the node need not do for this device.'] },
  NodeAllocatableMapping: {
    capacityKey: ['string', 'Capacity of the device that counts.'],
    capacityMultiplier: ['string', 'How much of the resource one unit of the capacity stands for.'],
    deviceMultiplier: ['string', 'How much of the resource one device stands for.'],
  },
  NodeAllocatableOverhead: {
    perContainer: ['string', 'How much each container adds.'],
    perPod: ['string', 'How much each pod adds.'],
  },
  NodeAllocatableResource: {
    mapping: ['NodeAllocatableMapping', 'How much of the resource the device stands for.'],
    overhead: ['NodeAllocatableOverhead', 'What using the device adds.'],
  },
  ResourceSliceSpec: {
    partitionTypeAttribute: ['string', 'Attribute that tells kinds of partitions apart.'],
    skipNodeOperations: ['[]string', 'What the node need not do for these devices.'],
  },
  StorageHealth: {
    healthConditions: ['[]StorageHealthCondition', 'What is amiss.'],
    name: ['string!', 'Name of the CSI driver.'],
  },
  StorageHealthCondition: {
    accessMode: ['string', 'Access mode that is concerned.'],
    lastTransitionTime: ['date-time', 'When the condition last changed.'],
    message: ['string', 'For people: what is amiss.'],
    reason: ['string!', 'For programs: why the storage is in this state.'],
    status: ['string!', 'State of the storage.'],
    volumeMode: ['string', 'Volume mode that is concerned.'],
  },
  TokenRequestSpec: { attestations: ['{}[]string', 'Claims that the caller proves, by their name.'] },
  V2HorizontalPodAutoscalerCondition: { observedGeneration: ['int64', 'Generation of the spec that the condition speaks of.'] },
}

/** Fields that v1.37 has no more, or only as another. */
export const goneFields: Readonly<Record<string, readonly string[]>> = {
  Device: ['nodeAllocatableResourceMappings'],
  NodeAllocatableResourceClaimStatus: ['resources'],
  PodCertificateRequestSpec: ['pkixPublicKey', 'proofOfPossession'],
}

/** Kinds that became stable: their types are those of the last version before. */
export const promoted: Readonly<Record<string, string>> = {
  ClusterTrustBundle: 'V1beta1',
  DeviceTaintRule: 'V1beta2',
  PodCertificateRequest: 'V1beta1',
  StorageVersionMigration: 'V1beta1',
}
