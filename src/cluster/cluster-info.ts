import type { ConfigMap } from '../api/generated/types.ts'
import { configMaps } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { isAlreadyExists } from '../machinery/status.ts'

/** A kubeconfig without any user: where the cluster is, and how it is known. */
function kubeconfigOfCluster(server: string, ca: string): string {
  return `${[
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    '- name: ""',
    '  cluster:',
    `    server: ${server}`,
    `    certificate-authority-data: ${Buffer.from(ca).toString('base64')}`,
    'contexts: []',
    'current-context: ""',
    'users: []',
  ].join('\n')}\n`
}

/**
 * What machines that are to join are told, in kube-public/cluster-info: the bootstrap signer signs it for each bootstrap
 * token (https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing). Who may read it is
 * the administrator's to say.
 */
export async function ensureClusterInfo(client: Client, { server, ca }: { server: string; ca: string }): Promise<void> {
  const maps = client.resource<ConfigMap>(configMaps, 'kube-public')
  const data = { kubeconfig: kubeconfigOfCluster(server, ca) }
  try {
    await maps.create({ metadata: { name: 'cluster-info' }, data })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    await maps.patch('cluster-info', { type: 'merge', body: { data } })
  }
}
