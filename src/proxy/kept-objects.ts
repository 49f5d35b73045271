import type { EndpointSlice } from '../api/generated/types.ts'
import type { KubeObject } from '../machinery/object.ts'

/** Who wrote which field is half of a Service's size, and nothing to the proxy. */
export function withoutManagers<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

/** Nor does it matter which pod is behind an endpoint: its address is. */
export function withoutPods(slice: EndpointSlice): EndpointSlice {
  const endpoints = slice.endpoints?.map(({ targetRef: _, ...endpoint }) => endpoint)
  return { ...withoutManagers(slice), ...(endpoints ? { endpoints } : {}) }
}
