import { type BootstrapToken, bootstrapTokenNamespace, bootstrapTokenOf, bootstrapTokenType } from '../../api/core/bootstrap-token.ts'
import type { ConfigMap, Secret } from '../../api/generated/types.ts'
import { configMaps, secrets as secretKind } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import { deepEqual } from '../../machinery/equality.ts'
import { objectKey } from '../../machinery/object.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'
import { detachedSignature } from './detached-signature.ts'

const clusterInfoKey = 'kube-public/cluster-info'
const signaturePrefix = 'jws-kubeconfig-'

/** The data with one signature of `kubeconfig` for each token, and none besides. */
export function signedData(data: Readonly<Record<string, string>>, tokens: readonly BootstrapToken[]): Record<string, string> {
  const { kubeconfig } = data
  if (kubeconfig === undefined) return { ...data }
  const others = Object.entries(data).filter(([key]) => !key.startsWith(signaturePrefix))
  const signatures = tokens.map(({ id, secret }) => [`${signaturePrefix}${id}`, detachedSignature(kubeconfig, id, secret)])
  return Object.fromEntries([...others, ...signatures])
}

/** Signs what strangers are told of the cluster, so that whoever holds a bootstrap token knows that it is true. */
export const bootstrapSigner: Controller = (deps) => {
  const name = 'bootstrap-signer-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const maps = deps.informers.of(configMaps)
  const secrets = deps.informers.of(secretKind)
  const touch = (map: ConfigMap): void => {
    if (objectKey(map) === clusterInfoKey) queue.add(clusterInfoKey)
  }
  const touchAll = (secret: Secret): void => {
    if (secret.type === bootstrapTokenType && secret.metadata.namespace === bootstrapTokenNamespace) queue.add(clusterInfoKey)
  }
  maps.on({ added: touch, updated: touch })
  secrets.on({ added: touchAll, updated: touchAll, deleted: touchAll })
  const client = deps.client.resource<ConfigMap>(configMaps, 'kube-public')
  const sync = async (key: string): Promise<void> => {
    const map = maps.get(key)
    if (!map?.data) return
    const now = deps.clock.now()
    const tokens = secrets
      .byIndex('namespace', bootstrapTokenNamespace)
      .flatMap((secret) => bootstrapTokenOf(secret) ?? [])
      .filter(({ signs, expiresAtMs }) => signs && expiresAtMs > now)
    const data = signedData(map.data, tokens)
    if (!deepEqual(data, map.data)) await unlessGone(() => client.update({ ...map, data }))
  }
  return () => queue.runWorkers(1, sync)
}
