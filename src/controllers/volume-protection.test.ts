import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../api/generated/types.ts'
import { persistentVolumeClaims, persistentVolumes, pods } from '../api/registry.ts'
import { ControlPlane } from './testing/control-plane.ts'

let plane: ControlPlane
beforeAll(async () => {
  plane = await ControlPlane.start()
  await plane.rest()
})
afterAll(() => plane.close())

test('a claim stays until no pod uses it', async () => {
  const claims = plane.client.resource<PersistentVolumeClaim>(persistentVolumeClaims, 'default')
  const podClient = plane.client.resource<Pod>(pods, 'default')
  const made = await claims.create({
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  expect(made.metadata.finalizers).toEqual(['kubernetes.io/pvc-protection'])
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
  await podClient.create({ metadata: { name: 'user' }, spec: { volumes, containers: [{ name: 'c', image: 'i' }] } })
  await plane.rest()
  await claims.delete('data')
  await plane.rest()
  expect((await claims.get('data')).metadata.deletionTimestamp).toBeDefined()
  await podClient.delete('user', { gracePeriodSeconds: 0 })
  await plane.rest()
  expect((await claims.list()).items).toEqual([])
})

test('a volume stays until no claim is bound to it', async () => {
  const volumes = plane.client.resource<PersistentVolume>(persistentVolumes)
  const made = await volumes.create({
    metadata: { name: 'disk' },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/tmp' } },
  })
  const bound = await volumes.updateStatus({ ...made, status: { phase: 'Bound' } })
  await volumes.delete('disk')
  await plane.rest()
  const held = await volumes.get('disk')
  expect(held.metadata.finalizers).toEqual(['kubernetes.io/pv-protection'])
  await volumes.updateStatus({ ...held, status: { ...bound.status, phase: 'Released' } })
  await plane.rest()
  expect((await volumes.list()).items).toEqual([])
})
