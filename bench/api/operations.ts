import { loneNamespace, namespace, podAsked, podName, statusOf } from './pods.ts'

/** A request as it goes over the wire. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  readonly contentType: string | undefined
  readonly body: string | undefined
}

export const operations = [
  'get',
  'list by name',
  'list by namespace',
  'update status',
  'merge patch',
  'strategic patch',
  'apply',
  'create',
] as const
/** The dry run is for warming up: all of a creation but its end. */
export type Operation = (typeof operations)[number] | 'dry run of create'

export const podsPath = `/api/v1/namespaces/${namespace}/pods`
const json = 'application/json'
const nameMark = 'NAME-HERE'
const variesMark = 'VARIES-HERE'

/**
 * The requests of one operation, one after another: no two that are under way at a time are for the same pod. `stored` is a pod as the
 * server gives it out; there are `count`.
 */
export function requestsOf(operation: Operation, stored: object, count: number, first: number): () => WireRequest {
  let n = first
  const text = bodyOf(operation, stored)
  return () => {
    const index = n++
    const name = operation === 'create' || operation === 'dry run of create' ? `new-${index}` : podName(index % count)
    const body = text?.replaceAll(nameMark, name).replaceAll(variesMark, `v${index}`)
    return { ...lineOf(operation, name), body }
  }
}

function bodyOf(operation: Operation, stored: object): string | undefined {
  const image = `registry.example/web:${variesMark}`
  switch (operation) {
    case 'get':
    case 'list by name':
    case 'list by namespace':
      return undefined
    case 'create':
    case 'dry run of create':
    case 'apply':
      return JSON.stringify(podAsked(nameMark, image))
    case 'update status': {
      const { metadata, ...rest } = stored as { metadata: Record<string, unknown> }
      const { uid: _uid, resourceVersion: _version, ...kept } = metadata
      return JSON.stringify({ ...rest, metadata: { ...kept, name: nameMark }, status: statusOf(variesMark) })
    }
    case 'merge patch':
      return JSON.stringify({ metadata: { annotations: { 'bench.example/seen': variesMark } } })
    case 'strategic patch':
      return JSON.stringify({ spec: { containers: [{ name: 'web', image }] } })
  }
}

function lineOf(operation: Operation, name: string): Omit<WireRequest, 'body'> {
  const path = `${podsPath}/${name}`
  switch (operation) {
    case 'get':
      return { method: 'GET', path, contentType: undefined }
    case 'list by name':
      return { method: 'GET', path: `${podsPath}?fieldSelector=metadata.name%3D${name}`, contentType: undefined }
    case 'list by namespace':
      return { method: 'GET', path: `/api/v1/namespaces/${loneNamespace}/pods`, contentType: undefined }
    case 'update status':
      return { method: 'PUT', path: `${path}/status`, contentType: json }
    case 'merge patch':
      return { method: 'PATCH', path, contentType: 'application/merge-patch+json' }
    case 'strategic patch':
      return { method: 'PATCH', path, contentType: 'application/strategic-merge-patch+json' }
    case 'apply':
      return { method: 'PATCH', path: `${path}?fieldManager=bench&force=true`, contentType: 'application/apply-patch+yaml' }
    case 'dry run of create':
      return { method: 'POST', path: `${podsPath}?dryRun=All`, contentType: json }
    case 'create':
      return { method: 'POST', path: podsPath, contentType: json }
  }
}
