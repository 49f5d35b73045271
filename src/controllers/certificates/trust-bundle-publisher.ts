import { createHash } from 'node:crypto'
import type { ClusterTrustBundle } from '../../api/generated/types.ts'
import { clusterTrustBundles } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'

const signerName = 'kubernetes.io/kube-apiserver-serving'

/** A bundle of other content is another bundle: pods that mount them by their signer see both until the old one goes. */
export function bundleNameOf(trustBundle: string): string {
  const digest = createHash('sha256').update(trustBundle).digest('hex').slice(0, 24)
  return `${signerName.replaceAll('/', ':')}:${digest}`
}

/** Publishes the certificate (PEM) by which the API server is known as the one ClusterTrustBundle of its signer. */
export function trustBundlePublisher(trustBundle: string): Controller {
  return (deps) => {
    const name = 'kube-apiserver-serving-clustertrustbundle-publisher-controller'
    const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
    const bundles = deps.informers.of(clusterTrustBundles)
    const own = bundleNameOf(trustBundle)
    const touch = ({ metadata, spec }: ClusterTrustBundle): void => {
      if (spec.signerName === signerName) queue.add(metadata.name)
    }
    bundles.on({ added: touch, updated: touch, deleted: touch })
    const client = deps.client.resource<ClusterTrustBundle>(clusterTrustBundles)
    const sync = async (key: string): Promise<void> => {
      const present = bundles.get(key)
      if (key !== own) {
        if (present) await unlessGone(() => client.delete(key))
      } else if (!present) await client.create({ metadata: { name: own }, spec: { signerName, trustBundle } })
      else if (present.spec.trustBundle !== trustBundle) await client.update({ ...present, spec: { ...present.spec, trustBundle } })
    }
    return () => {
      queue.add(own)
      return queue.runWorkers(1, sync)
    }
  }
}
