import type { CertificateRequest } from '../../machinery/certificate-request.ts'

/** Why a signer does not sign; undefined: it does. */
type Fault = string | undefined
type Rule = (request: CertificateRequest, usages: readonly string[]) => Fault

const nodePrefix = 'system:node:'

/** `digital signature` and the purpose must be there, `key encipherment` may: keys of other kinds than RSA have no use for it. */
function usagesFault(usages: readonly string[], purpose: 'client auth' | 'server auth'): Fault {
  const asked = new Set(usages)
  const most = ['digital signature', 'key encipherment', purpose].sort()
  const fits = asked.has('digital signature') && asked.has(purpose) && [...asked].every((usage) => most.includes(usage))
  return fits ? undefined : `usages did not match [${most.join(' ')}]`
}

const isOfNodes = ({ organizations }: CertificateRequest): boolean => organizations.length === 1 && organizations[0] === 'system:nodes'
const notOfNodes = 'subject organization is not system:nodes'
const noNodeName = `subject common name does not begin with ${nodePrefix}`

/** What a kubelet shows the API server: a node's name and nothing besides. */
export const kubeletClientFault: Rule = (request, usages) => {
  if (!isOfNodes(request)) return notOfNodes
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed'
  if (request.emails.length > 0) return 'Email subjectAltNames are not allowed'
  if (request.addressCount > 0) return 'IP subjectAltNames are not allowed'
  if (request.uriCount > 0) return 'URI subjectAltNames are not allowed'
  if (!request.commonName.startsWith(nodePrefix)) return noNodeName
  return usagesFault(usages, 'client auth')
}

const kubeletServingFault: Rule = (request, usages) => {
  if (!isOfNodes(request)) return notOfNodes
  if (request.dnsNames.length + request.addressCount === 0) return 'DNS or IP subjectAltName is required'
  if (request.emails.length > 0) return 'Email subjectAltNames are not allowed'
  if (request.uriCount > 0) return 'URI subjectAltNames are not allowed'
  return usagesFault(usages, 'server auth') ?? (request.commonName.startsWith(nodePrefix) ? undefined : noNodeName)
}

const clientUsages = ['client auth', 'digital signature', 'key encipherment']

const apiClientFault: Rule = (_request, usages) => {
  const other = usages.find((usage) => !clientUsages.includes(usage))
  if (other) return `invalid usage for client certificate: ${other}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet'

/** What the signers of the cluster itself insist on: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers */
const signers: ReadonlyMap<string, Rule> = new Map([
  ['kubernetes.io/kube-apiserver-client', apiClientFault],
  [kubeletClientSigner, kubeletClientFault],
  ['kubernetes.io/kubelet-serving', kubeletServingFault],
  // From before there were signers: nothing is insisted on, and nothing new can be asked of it by certificates.k8s.io/v1.
  ['kubernetes.io/legacy-unknown', () => undefined],
])

/** Whose requests are answered here; others have signers of their own. */
export const isOwnSigner = (signerName: string): boolean => signers.has(signerName)

export function signerFault(signerName: string, request: CertificateRequest, usages: readonly string[]): Fault {
  return signers.get(signerName)?.(request, usages)
}
