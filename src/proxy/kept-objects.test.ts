import { expect, test } from 'vitest'
import { keptService, keptSlice } from './kept-objects.ts'
import { endpoint, service, services, slice, slices } from './testing/scenes.ts'

const managers = { managedFields: [{ manager: 'kubectl' }], labels: { app: 'web' }, annotations: { note: 'x' }, generation: 3 }

test('nothing that decides where traffic goes is lost of what the proxy keeps', () => {
  for (const plain of services) {
    const labels = { ...managers.labels, ...plain.metadata.labels }
    const full = { ...plain, metadata: { ...plain.metadata, ...managers, labels }, spec: { ...plain.spec, selector: { app: 'web' } } }
    expect(keptService(full)).toEqual(plain)
  }
  const targetRef = { kind: 'Pod', namespace: 'test', name: 'a' }
  for (const plain of slices) {
    const labels = { ...managers.labels, ...plain.metadata.labels }
    const endpoints = (plain.endpoints ?? []).map((each) => ({ ...each, targetRef }))
    expect(keptSlice({ ...plain, metadata: { ...plain.metadata, ...managers, labels }, endpoints })).toEqual(plain)
  }
})

test('what marks Services of other proxies, and when a slice had to change, is kept', () => {
  const labels = { 'service.kubernetes.io/service-proxy-name': 'other', 'service.kubernetes.io/headless': '' }
  const other = service('web', '10.96.0.10', [{}])
  expect(keptService({ ...other, metadata: { ...other.metadata, labels } }).metadata.labels).toEqual(labels)
  const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' }
  const changed = slice('web', ['a'])
  expect(keptSlice({ ...changed, metadata: { ...changed.metadata, annotations } }).metadata.annotations).toEqual(annotations)
})

test('endpoints in the same state share it, each state being what it was', () => {
  const ending = { ready: false, serving: true, terminating: true }
  const [first, second, third] = keptSlice(slice('web', ['a', endpoint('b'), endpoint('c', ending)])).endpoints ?? []
  expect(second?.conditions).toBe(first?.conditions)
  expect(third?.conditions).toEqual(ending)
})
