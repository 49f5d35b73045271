import type { Pod } from '../generated/types.ts'

/** The names that are there. */
export const present = (names: readonly (string | undefined)[]): string[] => names.filter((name): name is string => Boolean(name))

function containersOf({ spec }: Pod) {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])]
}

/** Every Secret that a pod names, whatever for. */
export function secretNamesOf(pod: Pod): string[] {
  const { imagePullSecrets = [], volumes = [] } = pod.spec
  return present([
    ...imagePullSecrets.map(({ name }) => name),
    ...volumes.flatMap((volume) => [
      volume.secret?.secretName,
      volume.azureFile?.secretName,
      volume.csi?.nodePublishSecretRef?.name,
      ...(volume.projected?.sources ?? []).map((source) => source.secret?.name),
      ...[volume.cephfs, volume.flexVolume, volume.iscsi, volume.rbd, volume.scaleIO, volume.storageos].map(
        (source) => source?.secretRef?.name,
      ),
    ]),
    ...containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [
      ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
      ...envFrom.map(({ secretRef }) => secretRef?.name),
    ]),
  ])
}

/** Every ConfigMap that a pod names. */
export function configMapNamesOf(pod: Pod): string[] {
  return present([
    ...(pod.spec.volumes ?? []).flatMap(({ configMap, projected }) => [
      configMap?.name,
      ...(projected?.sources ?? []).map((source) => source.configMap?.name),
    ]),
    ...containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [
      ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
      ...envFrom.map(({ configMapRef }) => configMapRef?.name),
    ]),
  ])
}
