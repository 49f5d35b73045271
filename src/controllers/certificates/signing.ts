import type { CertificateSigningRequest } from '../../api/generated/types.ts'
import { certificateSigningRequests } from '../../api/registry.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { Controller } from '../controller-deps.ts'
import { unlessGone } from '../unless-gone.ts'
import { askedIn, has, pemOf, withCondition } from './request-state.ts'
import { isOwnSigner, signerFault } from './signers.ts'

/** Signs with the cluster's key: answers PEM, or throws {@link UnsignableRequestError}. */
export type SignCertificate = (wanted: {
  /** PEM of the request, whose subject, names and key are taken over. */
  readonly request: string
  readonly usages: readonly string[]
  /** Milliseconds since the epoch; the end is no later than that of the authority. */
  readonly notBefore: number
  readonly notAfter: number
}) => Promise<string>

/** The request is signed by another key than the one it asks for, or by none that is known. */
export class UnsignableRequestError extends Error {}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const longestMs = 365 * 24 * hourMs
const shortestMs = 10 * minuteMs
/** Clocks of machines differ: a certificate is good a little before it was made. */
const backdateMs = 5 * minuteMs
/** Of a certificate that lasts less, the time that it is dated back isn't taken off its end. */
const shortMs = 8 * hourMs

/** From when until when: as long as was asked for, within what is given at most. */
export function validityOf({ spec }: CertificateSigningRequest, nowMs: number): { notBefore: number; notAfter: number } {
  const askedMs = spec.expirationSeconds === undefined ? longestMs : spec.expirationSeconds * 1000
  const lastsMs = Math.min(Math.max(askedMs, shortestMs), longestMs)
  return { notBefore: nowMs - backdateMs, notAfter: nowMs + lastsMs - (lastsMs < shortMs ? 0 : backdateMs) }
}

/** Signs approved requests to the cluster's own signers, or says on them why not. */
export function certificateSigningController(sign: SignCertificate): Controller {
  return (deps) => {
    const name = 'csrsigning-controller'
    const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
    const requests = deps.informers.of(certificateSigningRequests)
    const add = ({ metadata }: CertificateSigningRequest): void => queue.add(metadata.name)
    requests.on({ added: add, updated: add })
    const client = deps.client.resource<CertificateSigningRequest>(certificateSigningRequests)

    const fail = (request: CertificateSigningRequest, why: string): Promise<unknown> =>
      unlessGone(() => client.updateStatus(withCondition(request, 'Failed', 'SignerValidationFailure', why)))

    const sync = async (key: string): Promise<void> => {
      const request = requests.get(key)
      if (!request || !has(request, 'Approved') || has(request, 'Failed') || request.status?.certificate) return
      const { signerName, usages = [] } = request.spec
      if (!isOwnSigner(signerName)) return
      const asked = askedIn(request)
      const fault = asked ? signerFault(signerName, asked, usages) : 'the request cannot be read'
      if (fault) {
        await fail(request, fault)
        return
      }
      try {
        const pem = await sign({ request: pemOf(request.spec.request), usages, ...validityOf(request, deps.clock.now()) })
        const certificate = Buffer.from(pem).toString('base64')
        await unlessGone(() => client.updateStatus({ ...request, status: { ...request.status, certificate } }))
      } catch (error) {
        if (!(error instanceof UnsignableRequestError)) throw error
        await fail(request, error.message)
      }
    }
    return () => queue.runWorkers(1, sync)
  }
}
