import { type FieldError, forbiddenField, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import { canonicalCidr } from '../../machinery/ip-address.ts'
import { cidrWarnings } from '../address-warnings.ts'
import { cidrFaults, type Faults, labelSelectorFaults, optionalChoiceFaults, portNameFaults, portNumberFaults } from '../field-checks.ts'
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../generated/types.ts'
import { contains } from './cidr.ts'

const maxPort = 65535

function* rangeFaults(path: string, port: number, endPort: number | undefined): Faults {
  yield* portNumberFaults(`${path}.port`, port)
  if (endPort === undefined) return
  if (endPort < port) yield invalidValue(`${path}.endPort`, port, 'must be greater than or equal to `port`')
  if (endPort < 1) yield invalidValue(`${path}.endPort`, endPort, 'must be greater than or equal to 1')
  if (endPort > maxPort) yield invalidValue(`${path}.endPort`, endPort, `must be less than or equal to ${maxPort}`)
}

function* portRuleFaults(path: string, { protocol, port, endPort }: NetworkPolicyPort): Faults {
  yield* optionalChoiceFaults(`${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP'])
  if (typeof port === 'number') return yield* rangeFaults(path, port, endPort)
  const what = port === undefined ? 'not specified' : 'non-numeric'
  if (endPort !== undefined) yield invalidValue(`${path}.endPort`, endPort, `may not be specified when \`port\` is ${what}`)
  if (port !== undefined) yield* portNameFaults(`${path}.port`, port)
}

/** A network with bits behind its prefix is refused, but can be compared. */
function* ipBlockFaults(path: string, { cidr, except = [] }: IPBlock): Faults {
  if (!cidr) return yield required(`${path}.cidr`)
  yield* cidrFaults(`${path}.cidr`, cidr)
  if (canonicalCidr(cidr) === undefined) return
  for (const [index, inner] of except.entries()) {
    const at = `${path}.except[${index}]`
    yield* cidrFaults(at, inner)
    if (canonicalCidr(inner) !== undefined && !contains(cidr, inner)) yield invalidValue(at, inner, 'must be a strict subset of `cidr`')
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

function* blockWarnings(path: string, peers: readonly NetworkPolicyPeer[] = []): Iterable<string> {
  for (const [index, { ipBlock }] of peers.entries()) {
    if (!ipBlock) continue
    const at = `${path}[${index}].ipBlock`
    yield* cidrWarnings(`${at}.cidr`, ipBlock.cidr)
    for (const [place, inner] of (ipBlock.except ?? []).entries()) yield* cidrWarnings(`${at}.except[${place}]`, inner)
  }
}

export const networkPolicyWarnings = ({ spec }: NetworkPolicy): string[] => [
  ...(spec?.ingress ?? []).flatMap(({ from }, index) => [...blockWarnings(`spec.ingress[${index}].from`, from)]),
  ...(spec?.egress ?? []).flatMap(({ to }, index) => [...blockWarnings(`spec.egress[${index}].to`, to)]),
]
