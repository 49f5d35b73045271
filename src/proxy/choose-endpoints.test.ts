import { expect, test } from 'vitest'
import { chooseEndpoints } from './choose-endpoints.ts'
import type { ProxiedEndpoint, ProxiedPort } from './service-port.ts'

/** `a here ready`, `b there ending`, `c there gone`; hints as `node=here` and `zone=x`. */
function endpointFrom(text: string): ProxiedEndpoint {
  const [address, nodeName, state, ...hints] = text.split(' ') as [string, string, string, ...string[]]
  const hinted = (kind: string): string[] => hints.filter((hint) => hint.startsWith(`${kind}=`)).map((hint) => hint.slice(5))
  const ready = state === 'ready'
  return {
    address,
    port: 1,
    nodeName,
    ready,
    serving: state !== 'gone',
    terminating: !ready,
    nodeHints: hinted('node'),
    zoneHints: hinted('zone'),
  }
}

interface Row {
  name: string
  endpoints: string[]
  internal?: 'Local'
  external?: 'Local'
  zone?: string
  cluster: string
  local: string
  any?: false
}

const rows: Row[] = [
  { name: 'all ready ones', endpoints: ['a here ready', 'b there ready'], cluster: 'ab', local: '' },
  { name: 'nobody', endpoints: [], cluster: '', local: '', any: false },
  { name: 'terminating ones are not used beside ready ones', endpoints: ['a here ending', 'b there ready'], cluster: 'b', local: '' },
  { name: 'terminating ones that serve are the last resort', endpoints: ['a here ending', 'b there gone'], cluster: 'a', local: '' },
  { name: 'none that serves', endpoints: ['a here gone'], cluster: '', local: '', any: false },
  { name: 'external Local', external: 'Local', endpoints: ['a here ready', 'b there ready'], cluster: 'ab', local: 'a' },
  { name: 'last resort is decided apart', external: 'Local', endpoints: ['a here ending', 'b there ready'], cluster: 'b', local: 'a' },
  { name: 'external Local, only elsewhere', external: 'Local', endpoints: ['b there ready'], cluster: 'b', local: '' },
  { name: 'hints for this node', endpoints: ['a here ready node=here', 'b there ready node=there'], cluster: 'a', local: '' },
  { name: 'one without a hint: no hints', endpoints: ['a here ready node=here', 'b there ready'], cluster: 'ab', local: '' },
  { name: 'hints for other nodes only', endpoints: ['b there ready node=there'], cluster: 'b', local: '' },
  { name: 'zone', zone: 'x', endpoints: ['a here ready zone=x', 'b there ready zone=y'], cluster: 'a', local: '' },
  { name: 'zone of a node without one', endpoints: ['a here ready zone=x', 'b there ready zone=y'], cluster: 'ab', local: '' },
  { name: 'zone, none for us', zone: 'z', endpoints: ['a here ready zone=x', 'b there ready zone=y'], cluster: 'ab', local: '' },
  { name: 'zone, one without a hint', zone: 'x', endpoints: ['a here ready zone=x', 'b there ready'], cluster: 'ab', local: '' },
  {
    name: 'an endpoint for several zones',
    zone: 'y',
    endpoints: ['a here ready zone=x zone=y', 'b there ready zone=x'],
    cluster: 'a',
    local: '',
  },
  {
    name: 'hints of endpoints that are not ready do not count, nor do missing ones',
    zone: 'x',
    endpoints: ['a here ready zone=x', 'b there ready zone=y', 'c there ending', 'd there gone'],
    cluster: 'a',
    local: '',
  },
  {
    name: 'none for this node: the zone decides',
    zone: 'x',
    endpoints: ['a there ready node=there zone=x', 'b there ready node=there zone=y'],
    cluster: 'a',
    local: '',
  },
  {
    name: 'the last resort has no hints',
    zone: 'x',
    endpoints: ['a here ending zone=x', 'b there ending zone=y'],
    cluster: 'ab',
    local: '',
  },
  {
    name: 'internal Local, with node ports: hints are for Cluster alone',
    internal: 'Local',
    zone: 'x',
    endpoints: ['a here ready zone=y', 'b there ready zone=x'],
    cluster: 'b',
    local: 'a',
  },
  {
    name: 'both Local, last resort here while others are ready',
    internal: 'Local',
    external: 'Local',
    endpoints: ['a here ending', 'b there ready'],
    cluster: 'b',
    local: 'a',
  },
  {
    name: 'node before zone',
    zone: 'x',
    endpoints: ['a here ready node=here zone=x', 'b there ready node=there zone=x'],
    cluster: 'a',
    local: '',
  },
]

test.each(rows)('$name', ({ endpoints, internal, external, zone, cluster, local, any = true }) => {
  const port: ProxiedPort = {
    name: 'test/web',
    protocol: 'tcp',
    clusterIp: '10.96.0.1',
    port: 80,
    nodePort: 30000,
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    internalPolicy: internal ?? 'Cluster',
    externalPolicy: external ?? 'Cluster',
    affinitySeconds: undefined,
    endpoints: endpoints.map(endpointFrom),
  }
  const choice = chooseEndpoints(port, { name: 'here', zone })
  const names = (chosen: readonly ProxiedEndpoint[]): string => chosen.map((endpoint) => endpoint.address).join('')
  expect({ cluster: names(choice.cluster), local: names(choice.local), any: choice.any }).toEqual({ cluster, local, any })
})
