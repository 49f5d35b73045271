import type { Pod, ServiceAccount, Volume } from '../../api/generated/types.ts'
import { type Random, randomSuffix } from '../../host/random.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const namePrefix = 'kube-api-access-'
/** Seven seconds more than an hour: by which others tell these tokens from those that were asked for by hand. */
const expirationSeconds = 3607

/**
 * Gives each container what it needs to call the API as the pod's service account: a token bound to the pod, the cluster's
 * certificate and the namespace
 * (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-token-volume).
 */
export function mountServiceAccountToken(pod: Pod, account: ServiceAccount | undefined, random: Random): void {
  const { spec } = pod
  if (!(spec.automountServiceAccountToken ?? account?.automountServiceAccountToken ?? true)) return
  const without = [...(spec.initContainers ?? []), ...spec.containers].filter(
    (container) => !(container.volumeMounts ?? []).some((mount) => mount.mountPath === mountPath),
  )
  if (without.length === 0) return
  const present = (spec.volumes ?? []).find(isAccessVolume)
  const name = present?.name ?? `${namePrefix}${randomSuffix(random)}`
  if (!present) spec.volumes = [...(spec.volumes ?? []), accessVolume(name)]
  for (const container of without) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }]
  }
}

function isAccessVolume({ name, projected }: Volume): boolean {
  return name.startsWith(namePrefix) && (projected?.sources ?? []).some(({ serviceAccountToken }) => serviceAccountToken?.path === 'token')
}

function accessVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  }
}
