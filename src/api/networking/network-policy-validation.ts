import { type FieldError, forbiddenField, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import { cidrFaults, type Faults, labelSelectorFaults, portFaults } from '../field-checks.ts'
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../generated/types.ts'
import { contains } from './cidr.ts'

const maxPort = 65535
const protocols = ['SCTP', 'TCP', 'UDP']

function* portRuleFaults(path: string, { protocol, port, endPort }: NetworkPolicyPort): Faults {
  if (protocol !== undefined && !protocols.includes(protocol)) yield notSupported(`${path}.protocol`, protocol, protocols)
  if (port === undefined) {
    if (endPort !== undefined) yield invalidValue(`${path}.endPort`, endPort, 'may not be specified when `port` is not specified')
    return
  }
  yield* portFaults(`${path}.port`, port)
  if (endPort === undefined) return
  if (typeof port === 'string') yield invalidValue(`${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric')
  else {
    if (endPort < port) yield invalidValue(`${path}.endPort`, endPort, 'must be greater than or equal to `port`')
    if (endPort > maxPort) yield invalidValue(`${path}.endPort`, endPort, `must be less than or equal to ${maxPort}`)
  }
}

function* ipBlockFaults(path: string, { cidr, except = [] }: IPBlock): Faults {
  if (!cidr) return yield required(`${path}.cidr`)
  const own = [...cidrFaults(`${path}.cidr`, cidr)]
  yield* own
  if (own.length > 0) return
  for (const [index, inner] of except.entries()) {
    const at = `${path}.except[${index}]`
    const faults = [...cidrFaults(at, inner)]
    yield* faults
    if (faults.length === 0 && !contains(cidr, inner)) yield invalidValue(at, inner, 'must be a strict subset of `cidr`')
  }
}

function* peerFaults(path: string, { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): Faults {
  yield* labelSelectorFaults(`${path}.podSelector`, podSelector)
  yield* labelSelectorFaults(`${path}.namespaceSelector`, namespaceSelector)
  if (ipBlock) yield* ipBlockFaults(`${path}.ipBlock`, ipBlock)
  if (!podSelector && !namespaceSelector && !ipBlock) yield required(path, 'must specify a peer')
  else if (ipBlock && (podSelector || namespaceSelector)) {
    yield forbiddenField(path, 'may not specify both ipBlock and another peer')
  }
}

function* ruleFaults(path: string, ports: readonly NetworkPolicyPort[], peersPath: string, peers: readonly NetworkPolicyPeer[]): Faults {
  for (const [index, port] of ports.entries()) yield* portRuleFaults(`${path}.ports[${index}]`, port)
  for (const [index, peer] of peers.entries()) yield* peerFaults(`${path}.${peersPath}[${index}]`, peer)
}

function* networkPolicyFaults({ spec }: NetworkPolicy): Faults {
  yield* labelSelectorFaults('spec.podSelector', spec?.podSelector)
  for (const [index, { ports = [], from = [] }] of (spec?.ingress ?? []).entries()) {
    yield* ruleFaults(`spec.ingress[${index}]`, ports, 'from', from)
  }
  for (const [index, { ports = [], to = [] }] of (spec?.egress ?? []).entries()) yield* ruleFaults(`spec.egress[${index}]`, ports, 'to', to)
  const types = spec?.policyTypes ?? []
  if (types.length > 2) return yield tooMany('spec.policyTypes', types.length, 2)
  for (const [index, type] of types.entries()) {
    if (type !== 'Ingress' && type !== 'Egress') yield notSupported(`spec.policyTypes[${index}]`, type, ['Ingress', 'Egress'])
  }
}

export const validateNetworkPolicy = (policy: NetworkPolicy): FieldError[] => [...networkPolicyFaults(policy)]
