import { isInQuotaScopes } from '../../../api/core/quota-scopes.ts'
import { quotaUsageOf, type Usage, usesQuotaResource } from '../../../api/core/quota-usage.ts'
import type { Pod, ResourceQuota } from '../../../api/generated/types.ts'
import { addQuantities, compareQuantities, formatQuantity } from '../../../machinery/quantity.ts'
import { forbidden } from '../../../machinery/status.ts'
import { type AdmissionRequest, isPod, isPodResize } from '../plugin.ts'

type Amounts = Readonly<Record<string, string>>

/** A quota whose use goes up, and to what. */
export interface Charge {
  readonly quota: ResourceQuota
  readonly used: Amounts
}

/** Of other kinds only their number counts, which an update leaves. */
const changing = new Set(['pods', 'services', 'persistentvolumeclaims'])

/** What the quotas of a namespace are charged for a request. Throws Forbidden where one has not enough left. */
export function chargesFor(request: AdmissionRequest, quotas: readonly ResourceQuota[]): Charge[] {
  const { kind, operation, subresource, object } = request
  if (!object || operation === 'delete' || (subresource !== undefined && !isPodResize(request)) || quotas.length === 0) return []
  if (operation === 'update' && (kind.group !== '' || !changing.has(kind.plural))) return []
  return quotas.flatMap((quota) => chargeOf(request, quota) ?? [])
}

function chargeOf(request: AdmissionRequest, quota: ResourceQuota): Charge | undefined {
  const { kind, object, previous } = request
  const { hard = {}, used = {} } = quota.status ?? {}
  const counted = Object.keys(hard).filter((resource) => usesQuotaResource(kind, resource))
  if (!object || counted.length === 0 || !isInQuotaScopes(quota, kind, object)) return undefined
  if (isPod(request)) checkNamesAll(request, quota, counted)
  const unknown = counted.filter((resource) => used[resource] === undefined).sort()
  if (unknown.length > 0) throw refused(request, `status unknown for quota: ${quota.metadata.name}, resources: ${counted.sort().join(',')}`)
  const before = previous && isInQuotaScopes(quota, kind, previous) ? quotaUsageOf(kind, previous) : new Map()
  const more = increase(quotaUsageOf(kind, object), before, counted)
  if (Object.keys(more).length === 0) return undefined
  const after = Object.fromEntries(Object.entries(more).map(([resource, amount]) => [resource, sum(used[resource] as string, amount)]))
  const exceeded = Object.keys(more).filter((resource) => compareQuantities(after[resource] as string, hard[resource] as string) > 0)
  if (exceeded.length === 0) return { quota, used: { ...used, ...after } }
  const shown = (amounts: Amounts): string =>
    exceeded
      .sort()
      .map((resource) => `${resource}=${amounts[resource]}`)
      .join(',')
  throw refused(request, `exceeded quota: ${quota.metadata.name}, requested: ${shown(more)}, used: ${shown(used)}, limited: ${shown(hard)}`)
}

const refused = ({ kind, name }: AdmissionRequest, why: string): Error => forbidden(kind, name, why)
const sum = (a: string, b: string): string => formatQuantity(addQuantities(a, b))

/** By how much use grows; what gets less is given back when the quota is next counted. */
function increase(now: Usage, before: Usage, counted: readonly string[]): Record<string, string> {
  const more: Record<string, string> = {}
  for (const resource of counted) {
    const amount = now.get(resource)
    if (!amount) continue
    const nano = amount.nano - (before.get(resource)?.nano ?? 0n)
    if (nano > 0n) more[resource] = formatQuantity({ ...amount, nano })
  }
  return more
}

const namedByEach = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']

/** What a quota limits, each container must say; else it would use more than is counted. */
function checkNamesAll(request: AdmissionRequest, quota: ResourceQuota, counted: readonly string[]): void {
  const { spec } = request.object as Pod
  if (request.operation !== 'create') return
  const missing = counted
    .filter((resource) => namedByEach.includes(resource))
    .sort()
    .flatMap((resource) => {
      const part = resource.startsWith('limits.') ? 'limits' : 'requests'
      const plain = resource.replace(/^(requests|limits)\./, '')
      if (spec.resources?.[part]?.[plain] !== undefined) return []
      const silent = [...spec.containers, ...(spec.initContainers ?? [])].filter(
        ({ resources }) => resources?.[part]?.[plain] === undefined,
      )
      const names = silent.map(({ name }) => name).sort()
      return names.length > 0 ? [`${resource} for: ${names.join(',')}`] : []
    })
  if (missing.length > 0) throw refused(request, `failed quota: ${quota.metadata.name}: must specify ${missing.join('; ')}`)
}
