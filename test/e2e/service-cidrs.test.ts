import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareApiServer, startBareApiServer } from './harness/bare-api-server.ts'
import { eventually } from './harness/command.ts'

let api: BareApiServer
beforeAll(async () => {
  api = await startBareApiServer({}, { serviceCidr: '10.99.0.0/29', controllers: true })
})
afterAll(() => api?.close())

const expose = (name: string): Promise<string> => api.kubectl('create', 'service', 'clusterip', name, '--tcp=80')

test('kubectl shows the ranges of Services and who has which address', async () => {
  expect(await api.kubectl('get', 'servicecidr')).toMatch(/^NAME +CIDRS +AGE\nkubernetes +10\.99\.0\.0\/29 +\S+\n$/)
  expect(await api.kubectl('get', 'ipaddress')).toMatch(/^NAME +PARENTREF\s+AGE\n10\.99\.0\.1 +services\/default\/kubernetes +\S+\n$/)
  await expose('web')
  const address = await api.kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}')
  const labels = '-l=ipaddress.kubernetes.io/managed-by=ipallocator.k8s.io,ipaddress.kubernetes.io/ip-family=IPv4'
  expect(await api.kubectl('get', 'ip', address, '--no-headers')).toContain('services/default/web')
  expect(await api.kubectl('get', 'ip', labels, '-o', 'name')).toContain(`ipaddress.networking.k8s.io/${address}`)
  await api.kubectl('delete', 'service', 'web')
  expect(await api.kubectl('get', 'ip', address)).toContain('(NotFound)')
})

test('a range that is full is grown by a second one, which cannot go while it is in use', async () => {
  for (let i = 0; i < 5; i++) expect(await expose(`s-${i}`)).toBe(`service/s-${i} created\n`)
  expect(await expose('more')).toBe(
    'error: failed to create ClusterIP service: Internal error occurred: failed to allocate a serviceIP: range is full\n',
  )
  const more = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'more' }, spec: { cidrs: ['10.99.1.0/24'] } }
  await api.create(more)
  expect(await api.kubectl('wait', '--for=condition=Ready', 'servicecidr/more', '--timeout=20s')).toContain('condition met')
  expect(await expose('more')).toBe('service/more created\n')
  expect(await api.kubectl('get', 'service', 'more', '-o', 'jsonpath={.spec.clusterIP}')).toMatch(/^10\.99\.1\./)
  await api.kubectl('delete', 'servicecidr', 'more', '--wait=false')
  const why = 'jsonpath={.status.conditions[0].reason}'
  await eventually(async () => expect(await api.kubectl('get', 'servicecidr', 'more', '-o', why)).toBe('Terminating'))
  await api.kubectl('delete', 'service', 'more')
  expect(await api.kubectl('wait', '--for=delete', 'servicecidr/more', '--timeout=30s')).not.toContain('error')
  expect(await api.kubectl('get', 'servicecidr', '-o', 'name')).toBe('servicecidr.networking.k8s.io/kubernetes\n')
})
