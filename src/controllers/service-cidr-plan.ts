import type { IPAddress, ServiceCIDR } from '../api/generated/types.ts'
import { contains } from '../api/networking/cidr.ts'

/** What a ServiceCIDR needs next. */
export type ServiceCidrStep =
  | { readonly do: 'nothing' }
  /** Nobody deletes it without being asked (the finalizer). */
  | { readonly do: 'protect' }
  | { readonly do: 'tell'; readonly ready: ReadyCondition }
  /** Servers may not have seen yet that it gives no more addresses. */
  | { readonly do: 'wait'; readonly delayMs: number }
  | { readonly do: 'let go' }

interface ReadyCondition {
  readonly type: 'Ready'
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

export const serviceCidrFinalizer = 'networking.k8s.io/service-cidr-finalizer'
const managedByLabel = 'ipaddress.kubernetes.io/managed-by'

/** As upstream: by then every server knows that it is being deleted. */
const deletionGraceMs = 10_000

const ready: ReadyCondition = { type: 'Ready', status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' }
const terminating: ReadyCondition = {
  type: 'Ready',
  status: 'False',
  reason: 'Terminating',
  message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
}

interface World {
  readonly cidrs: readonly ServiceCIDR[]
  readonly addresses: readonly IPAddress[]
  readonly nowMs: number
}

/** https://kubernetes.io/docs/reference/networking/virtual-ips/#ip-address-objects. */
export function nextStep(one: ServiceCIDR, world: World): ServiceCidrStep {
  const { finalizers = [], deletionTimestamp } = one.metadata
  if (deletionTimestamp === undefined) {
    if (!finalizers.includes(serviceCidrFinalizer)) return { do: 'protect' }
    return tell(one, ready)
  }
  if (!finalizers.includes(serviceCidrFinalizer)) return { do: 'nothing' }
  if (isNeeded(one, world)) return tell(one, terminating)
  const delayMs = Date.parse(deletionTimestamp) + deletionGraceMs - world.nowMs
  return delayMs > 0 ? { do: 'wait', delayMs } : { do: 'let go' }
}

function tell({ status }: ServiceCIDR, wanted: ReadyCondition): ServiceCidrStep {
  const current = status?.conditions?.find(({ type }) => type === 'Ready')
  // What the server said of its own when it made it is as good.
  const isSaid = current?.status === wanted.status && (current.reason ?? '') === wanted.reason
  return isSaid ? { do: 'nothing' } : { do: 'tell', ready: wanted }
}

/** Whether an address would be in no other ServiceCIDR once this one has gone. */
function isNeeded(one: ServiceCIDR, { cidrs, addresses }: World): boolean {
  const own = one.spec?.cidrs ?? []
  const others = cidrs.filter(({ metadata }) => metadata.name !== one.metadata.name).flatMap(({ spec }) => spec?.cidrs ?? [])
  const isCovered = own.every((cidr) => others.some((other) => other === cidr || contains(other, cidr)))
  if (isCovered) return false
  return addresses
    .filter(({ metadata }) => metadata.labels?.[managedByLabel] === 'ipallocator.k8s.io')
    .some(({ metadata: { name } }) => holds(own, name) && !holds(others, name))
}

function holds(cidrs: readonly string[], address: string): boolean {
  const alone = `${address}/${address.includes(':') ? 128 : 32}`
  return cidrs.some((cidr) => cidr === alone || contains(cidr, alone))
}
