import { X509Certificate } from 'node:crypto'
import type { CertificateSigningRequest } from '../../api/generated/types.ts'
import { certificateSigningRequests } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'
import { has, pemOf } from './request-state.ts'

const hourMs = 60 * 60 * 1000
/** Long enough for whoever asked to fetch the answer. */
const decidedMs = hourMs
const undecidedMs = 24 * hourMs

function endOfCertificate(base64: string): number {
  try {
    return Date.parse(new X509Certificate(pemOf(base64)).validTo)
  } catch (error) {
    // Signers other than ours may have written anything: its hour after the approval counts then.
    if (error instanceof Error) return Number.POSITIVE_INFINITY
    throw error
  }
}

/** When a request has served its purpose, in milliseconds since the epoch; one that is approved waits for its signer for ever. */
export function endOf({ metadata, status = {} }: CertificateSigningRequest): number {
  const { conditions = [], certificate } = status
  if (conditions.length === 0) return Date.parse(metadata.creationTimestamp) + undecidedMs
  const isEnd = (type: string): boolean => type === 'Denied' || type === 'Failed' || (type === 'Approved' && certificate !== undefined)
  const ends = conditions
    .filter(({ type }) => isEnd(type))
    .map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? metadata.creationTimestamp) + decidedMs)
  return Math.min(...ends, certificate && has({ status }, 'Approved') ? endOfCertificate(certificate) : Number.POSITIVE_INFINITY)
}

/** Removes requests that nobody has any more use for. */
export const certificateCleaner: Controller = (deps) => {
  const name = 'csrcleaner-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const requests = deps.informers.of(certificateSigningRequests)
  const add = ({ metadata }: CertificateSigningRequest): void => queue.add(metadata.name)
  requests.on({ added: add, updated: add })
  const client = deps.client.resource<CertificateSigningRequest>(certificateSigningRequests)
  const sync = async (key: string): Promise<void> => {
    const request = requests.get(key)
    if (!request) return
    const leftMs = endOf(request) - deps.clock.now()
    if (leftMs === Number.POSITIVE_INFINITY) return
    if (leftMs > 0) queue.addAfter(key, leftMs)
    else await unlessGone(() => client.delete(key, { preconditions: { uid: request.metadata.uid } }))
  }
  return () => queue.runWorkers(1, sync)
}
