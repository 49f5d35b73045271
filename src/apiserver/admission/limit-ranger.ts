import { podLimits, podRequirements } from '../../api/core/pod-amounts.ts'
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../api/generated/types.ts'
import { limitRanges, persistentVolumeClaims } from '../../api/registry.ts'
import { ownValue } from '../../machinery/equality.ts'
import { compareQuantities, formatQuantity, quantityNumber } from '../../machinery/quantity.ts'
import { forbidden } from '../../machinery/status.ts'
import { type AdmissionPlugin, type AdmissionRequest, isOf, isPodCreate, isPodResize } from './plugin.ts'

const annotation = 'kubernetes.io/limit-ranger'

/** Fills in and checks what containers, pods and claims ask for (https://kubernetes.io/docs/concepts/policy/limit-range/). */
export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  admit(request, facts) {
    if (!isPodCreate(request)) return
    for (const range of facts.list(limitRanges, request.namespace)) setDefaults(request.object as Pod, range)
  },
  validate(request, facts) {
    const isClaim = request.operation !== 'delete' && isOf(request, persistentVolumeClaims)
    if (!isClaim && !isPodCreate(request) && !isPodResize(request)) return
    for (const range of facts.list(limitRanges, request.namespace)) {
      const items = range.spec?.limits ?? []
      refuse(request, isClaim ? claimFaults(request.object as PersistentVolumeClaim, items) : podFaults(request.object as Pod, items))
    }
  },
}

type Amounts = Readonly<Record<string, string>>

function refuse({ kind, name }: AdmissionRequest, faults: readonly string[]): void {
  // One fault in several containers is told once, as upstream's aggregate does.
  const each = [...new Set(faults)]
  if (each.length > 0) throw forbidden(kind, name, each.length === 1 ? (each[0] as string) : `[${each.join(', ')}]`)
}

function setDefaults(pod: Pod, range: LimitRange): void {
  const items = (range.spec?.limits ?? []).filter(({ type }) => type === 'Container')
  const limits: Amounts = Object.assign({}, ...items.map((item) => item.default))
  const requests: Amounts = Object.assign({}, ...items.map((item) => item.defaultRequest))
  const notes = [
    ...pod.spec.containers.flatMap((container) => fillIn(container, 'container', { limits, requests })),
    ...(pod.spec.initContainers ?? []).flatMap((container) => fillIn(container, 'init container', { limits, requests })),
  ]
  if (notes.length === 0) return
  pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: `LimitRanger plugin set: ${notes.join('; ')}` }
}

function fillIn(container: Container, what: string, defaults: { limits: Amounts; requests: Amounts }): string[] {
  const notes: string[] = []
  for (const part of ['requests', 'limits'] as const) {
    const present = container.resources?.[part] ?? {}
    const missing = Object.keys(defaults[part]).filter((resource) => ownValue(present, resource) === undefined)
    if (missing.length === 0) continue
    const added = Object.fromEntries(missing.map((resource) => [resource, defaults[part][resource] as string]))
    container.resources = { ...container.resources, [part]: { ...present, ...added } }
    notes.push(`${missing.sort().join(', ')} ${part === 'requests' ? 'request' : 'limit'} for ${what} ${container.name}`)
  }
  return notes
}

function podFaults(pod: Pod, items: readonly LimitRangeItem[]): string[] {
  return items.flatMap((item) => {
    if (item.type === 'Container') {
      const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
      return containers.flatMap(({ resources }) => itemFaults(item, resources?.requests ?? {}, resources?.limits ?? {}))
    }
    if (item.type !== 'Pod') return []
    const written = (amounts: ReturnType<typeof podLimits>): Amounts =>
      Object.fromEntries([...amounts].map(([resource, amount]) => [resource, formatQuantity(amount)]))
    return itemFaults(item, written(podRequirements(pod)), written(podLimits(pod)))
  })
}

function claimFaults({ spec }: PersistentVolumeClaim, items: readonly LimitRangeItem[]): string[] {
  const requests = spec?.resources?.requests ?? {}
  return items
    .filter(({ type }) => type === 'PersistentVolumeClaim')
    .flatMap(({ type, min = {}, max = {} }) => [
      ...Object.entries(min).flatMap(([resource, least]) =>
        requestFaults('minimum', { resource, type, bound: least }, ownValue(requests, resource)),
      ),
      ...Object.entries(max).flatMap(([resource, most]) =>
        requestFaults('maximum', { resource, type, bound: most }, ownValue(requests, resource)),
      ),
    ])
}

interface Bound {
  readonly resource: string
  readonly type: string
  readonly bound: string
}

const usage = (what: string, { resource, type, bound }: Bound): string => `${what} ${resource} usage per ${type} is ${bound}`
const isWithin = (what: string, amount: string, bound: string): boolean =>
  what === 'minimum' ? compareQuantities(amount, bound) >= 0 : compareQuantities(amount, bound) <= 0

function requestFaults(what: 'minimum' | 'maximum', bound: Bound, request: string | undefined): string[] {
  if (request === undefined) return [`${usage(what, bound)}.  No request is specified`]
  return isWithin(what, request, bound.bound) ? [] : [`${usage(what, bound)}, but request is ${request}`]
}

function itemFaults({ type, min = {}, max = {}, maxLimitRequestRatio = {} }: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  return [
    ...Object.entries(min).flatMap(([resource, bound]) =>
      minimumFaults({ resource, type, bound }, ownValue(requests, resource), ownValue(limits, resource)),
    ),
    ...Object.entries(max).flatMap(([resource, bound]) =>
      maximumFaults({ resource, type, bound }, ownValue(requests, resource), ownValue(limits, resource)),
    ),
    ...Object.entries(maxLimitRequestRatio).flatMap(([resource, bound]) =>
      ratioFaults({ resource, type, bound }, ownValue(requests, resource), ownValue(limits, resource)),
    ),
  ]
}

function minimumFaults(bound: Bound, request: string | undefined, limit: string | undefined): string[] {
  const faults = requestFaults('minimum', bound, request)
  if (faults.length > 0 || limit === undefined || isWithin('minimum', limit, bound.bound)) return faults
  return [`${usage('minimum', bound)}, but limit is ${limit}`]
}

function maximumFaults(bound: Bound, request: string | undefined, limit: string | undefined): string[] {
  if (limit === undefined) return [`${usage('maximum', bound)}.  No limit is specified`]
  if (!isWithin('maximum', limit, bound.bound)) return [`${usage('maximum', bound)}, but limit is ${limit}`]
  return request === undefined ? [] : requestFaults('maximum', bound, request)
}

function ratioFaults({ resource, type, bound }: Bound, request: string | undefined, limit: string | undefined): string[] {
  const head = `${resource} max limit to request ratio per ${type} is ${bound}, but`
  if (request === undefined || quantityNumber(request) === 0) return [`${head} no request is specified or request is 0`]
  if (limit === undefined || quantityNumber(limit) === 0) return [`${head} no limit is specified or limit is 0`]
  const ratio = quantityNumber(limit) / quantityNumber(request)
  return ratio > quantityNumber(bound) ? [`${head} provided ratio is ${ratio.toFixed(6)}`] : []
}
