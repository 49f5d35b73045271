import type { ConfigMap, Namespace, ServiceAccount } from '../api/generated/types.ts'
import { configMaps, namespaces, serviceAccounts } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import type { KubeObject } from '../machinery/object.ts'
import { isAlreadyExists, isNotFound } from '../machinery/status.ts'
import type { Controller } from './controller-deps.ts'

const accountName = 'default'
const rootCertificateName = 'kube-root-ca.crt'
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

/** Gives each namespace its `default` ServiceAccount, and the certificate by which pods know the API server (PEM). */
export function serviceAccountController(clusterCa: string): Controller {
  return (deps) => {
    const name = 'serviceaccount-controller'
    const log = deps.log.named(name)
    const queue = new WorkQueue({ ...deps, log, name })
    const spaces = deps.informers.of(namespaces)
    const accounts = deps.informers.of(serviceAccounts)
    const maps = deps.informers.of(configMaps)
    const add = (namespace: Namespace): void => queue.add(namespace.metadata.name)
    const touch = ({ metadata }: KubeObject): void => {
      if (metadata.name === accountName || metadata.name === rootCertificateName) queue.add(metadata.namespace ?? '')
    }
    spaces.on({ added: add, updated: add })
    accounts.on({ deleted: touch })
    maps.on({ updated: touch, deleted: touch })

    const sync = async (namespace: string): Promise<void> => {
      const space = spaces.get(namespace)
      if (!space || space.metadata.deletionTimestamp !== undefined || space.status?.phase === 'Terminating') return
      if (!accounts.get(`${namespace}/${accountName}`)) {
        const client = deps.client.resource<ServiceAccount>(serviceAccounts, namespace)
        await unlessLate(() => client.create({ metadata: { name: accountName } }))
      }
      const data = { 'ca.crt': clusterCa }
      const present = maps.get(`${namespace}/${rootCertificateName}`)
      const client = deps.client.resource<ConfigMap>(configMaps, namespace)
      const annotations = { 'kubernetes.io/description': description }
      if (!present) await unlessLate(() => client.create({ metadata: { name: rootCertificateName, annotations }, data }))
      else if (!deepEqual(present.data, data)) await client.update({ ...present, data })
    }
    return () => queue.runWorkers(2, sync)
  }
}

/** Someone else made it, or the namespace has gone or is going: all is as it should be. */
async function unlessLate(run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    const going = error instanceof Error && error.message.includes('being terminated')
    if (!isAlreadyExists(error) && !isNotFound(error) && !going) throw error
  }
}
