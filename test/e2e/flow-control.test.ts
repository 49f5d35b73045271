import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareApiServer, startBareApiServer } from './harness/bare-api-server.ts'
import { eventually } from './harness/command.ts'

let api: BareApiServer
beforeAll(async () => {
  api = await startBareApiServer()
})
afterAll(() => api?.close())

const group = 'flowcontrol.apiserver.k8s.io/v1'

test('kubectl shows upstream’s FlowSchemas and levels', async () => {
  expect(await api.kubectl('get', 'flowschemas')).toMatch(/^NAME +PRIORITYLEVEL +MATCHINGPRECEDENCE +DISTINGUISHERMETHOD +AGE +MISSINGPL\n/)
  expect(await api.kubectl('get', 'flowschema', 'probes', '--no-headers')).toMatch(/^probes +exempt +2 +<none> +\S+ +False\n$/)
  expect(await api.kubectl('get', 'prioritylevelconfiguration', 'workload-low', '--no-headers')).toMatch(
    /^workload-low +Limited +100 +128 +6 +50 +\S+\n$/,
  )
})

test('a FlowSchema made while it runs decides who is served', async () => {
  const rule = {
    subjects: [{ kind: 'User', user: { name: 'greedy' } }],
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
  }
  const spec = { priorityLevelConfiguration: { name: 'nothing' }, matchingPrecedence: 50, rules: [rule] }
  await api.create({ apiVersion: group, kind: 'FlowSchema', metadata: { name: 'greedy' }, spec })
  await eventually(async () => expect(await api.kubectl('get', 'flowschema', 'greedy', '--no-headers')).toMatch(/ True\n$/))
  const limited = { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } }
  await api.create({
    apiVersion: group,
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'nothing' },
    spec: { type: 'Limited', limited },
  })
  await eventually(async () => expect(await api.kubectl('get', 'flowschema', 'greedy', '--no-headers')).toMatch(/ False\n$/))
  const uid = (kind: string, name: string): Promise<string> => api.kubectl('get', kind, name, '-o', 'jsonpath={.metadata.uid}')
  const headersFor = (user: string): Promise<string> => api.kubectl('get', 'pods', `--as=${user}`, '-v=8')
  const greedy = await headersFor('greedy')
  expect(greedy).toMatch(new RegExp(`X-Kubernetes-Pf-Flowschema-Uid.*${await uid('flowschema', 'greedy')}`, 'i'))
  expect(greedy).toMatch(new RegExp(`X-Kubernetes-Pf-Prioritylevel-Uid.*${await uid('prioritylevelconfiguration', 'nothing')}`, 'i'))
  expect(await headersFor('modest')).toMatch(
    new RegExp(`X-Kubernetes-Pf-Flowschema-Uid.*${await uid('flowschema', 'global-default')}`, 'i'),
  )
})

test('kubectl asks the store how it is', async () => {
  const said = await api.kubectl('get', 'componentstatuses')
  expect(said).toContain('Warning: v1 ComponentStatus is deprecated in v1.19+')
  expect(said).toMatch(/^etcd-0 +Healthy +ok *$/m)
})
