import type { Pod } from '../../api/generated/types.ts'
import { serviceAccounts } from '../../api/registry.ts'
import { forbidden } from '../../machinery/status.ts'
import { mountServiceAccountToken } from '../access/service-account-volume.ts'
import { type AdmissionPlugin, isPodCreate } from './plugin.ts'

/** Gives each pod its account and the account's token. */
export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  admit(request, facts) {
    if (!isPodCreate(request)) return
    const pod = request.object as Pod
    const { spec } = pod
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return
    spec.serviceAccountName ||= spec.serviceAccount || 'default'
    spec.serviceAccount = spec.serviceAccountName
    const { serviceAccountName: name } = spec
    const account = facts.get(serviceAccounts, request.namespace, name)
    // `default` comes to every namespace by a controller; a pod that is created right after its namespace need not fail for it.
    if (!account && name !== 'default') {
      const why = `error looking up service account ${request.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`
      throw forbidden(request.kind, request.name, why)
    }
    if (!spec.imagePullSecrets?.length && account?.imagePullSecrets)
      spec.imagePullSecrets = account.imagePullSecrets.map((one) => ({ ...one }))
    mountServiceAccountToken(pod, account, facts.random)
  },
}
