/**
 * Which group a client takes first that finds one name in several, and which version of it: the higher number. Upstream's, as its
 * APIServices show them (https://kubernetes.io/docs/reference/using-api/#api-groups); our own server's groups are all there are.
 */
const priorities: Readonly<Record<string, number | undefined>> = {
  '': 18_000,
  'apiregistration.k8s.io': 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'resource.k8s.io': 15_900,
  'storagemigration.k8s.io': 15_800,
}
const versionPriorities: Readonly<Record<string, number | undefined>> = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'flowcontrol.apiserver.k8s.io/v1': 21,
}

export interface Priority {
  readonly group: number
  readonly version: number
}

export function priorityOf({ group, version }: { group: string; version: string }): Priority {
  return { group: priorities[group] ?? 1000, version: versionPriorities[`${group}/${version}`] ?? 15 }
}
