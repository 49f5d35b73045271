import type { CertificateSigningRequest, SubjectAccessReview } from '../../api/generated/types.ts'
import { certificateSigningRequests } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { ResourceName } from '../../machinery/group-version.ts'
import type { Controller, ControllerDeps } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'
import { askedIn, has, withCondition } from './request-state.ts'
import { kubeletClientFault, kubeletClientSigner } from './signers.ts'

/** Rights may be given after the request was made: it is asked for again after as long as it has waited already, within these. */
const soonestMs = 1_000
const latestMs = 1_000_000

const reviews: ResourceName = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
}

interface Ground {
  readonly subresource: 'selfnodeclient' | 'nodeclient'
  readonly message: string
}

/** By which right a kubelet's request may be approved without anybody looking; in the order in which they are tried. */
export function groundsFor(request: CertificateSigningRequest): Ground[] {
  const { spec } = request
  if (spec.signerName !== kubeletClientSigner) return []
  const asked = askedIn(request)
  if (!asked || kubeletClientFault(asked, spec.usages ?? [])) return []
  const own = spec.username === asked.commonName
  return [
    ...(own
      ? [
          {
            subresource: 'selfnodeclient' as const,
            message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
          },
        ]
      : []),
    { subresource: 'nodeclient', message: 'Auto approving kubelet client certificate after SubjectAccessReview.' },
  ]
}

async function isAllowed({ client }: ControllerDeps, { spec }: CertificateSigningRequest, { subresource }: Ground): Promise<boolean> {
  const { username = '', uid = '', groups = [], extra = {} } = spec
  const review = await client.resource<SubjectAccessReview>(reviews).create({
    metadata: {},
    spec: {
      user: username,
      uid,
      groups,
      extra,
      resourceAttributes: {
        group: 'certificates.k8s.io',
        resource: 'certificatesigningrequests',
        verb: 'create',
        subresource,
        version: '*',
      },
    },
  })
  return review.status?.allowed === true
}

/** Approves what kubelets ask for to join or to renew, where those who ask hold the right to it. */
export const certificateApprovingController: Controller = (deps) => {
  const name = 'csrapproving-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const requests = deps.informers.of(certificateSigningRequests)
  const add = ({ metadata }: CertificateSigningRequest): void => queue.add(metadata.name)
  requests.on({ added: add, updated: add })
  const client = deps.client.resource<CertificateSigningRequest>(certificateSigningRequests)
  const sync = async (key: string): Promise<void> => {
    const request = requests.get(key)
    if (!request || request.status?.certificate || has(request, 'Approved') || has(request, 'Denied') || has(request, 'Failed')) return
    const grounds = groundsFor(request)
    for (const ground of grounds) {
      if (!(await isAllowed(deps, request, ground))) continue
      await unlessGone(() => client.updateSubresource(withCondition(request, 'Approved', 'AutoApproved', ground.message), 'approval'))
      return
    }
    if (grounds.length === 0) return
    const waitedMs = deps.clock.now() - Date.parse(request.metadata.creationTimestamp)
    queue.addAfter(key, Math.min(Math.max(waitedMs, soonestMs), latestMs))
  }
  return () => queue.runWorkers(1, sync)
}
