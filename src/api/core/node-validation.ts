import { isIPv6 } from 'node:net'
import { duplicate, type FieldError, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import { cidrWarnings } from '../address-warnings.ts'
import {
  cidrFaults,
  dataKeyFaults,
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  labelValueMessages,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { ConfigMapNodeConfigSource, Node, NodeConfigSource, Taint } from '../generated/types.ts'
import { amountFaults } from './resource-validation.ts'
import { taintEffectFaults } from './scheduling-validation.ts'

/** As upstream shows it. */
const taintAsGo = ({ key, value = '', effect, timeAdded }: Taint): object => ({
  Key: key,
  Value: value,
  Effect: effect,
  TimeAdded: timeAdded ?? null,
})

function* taintsFaults(path: string, taints: readonly Taint[]): Faults {
  const seen = new Set<string>()
  for (const [index, taint] of taints.entries()) {
    const { key, value = '', effect } = taint
    const at = `${path}[${index}]`
    yield* qualifiedNameFaults(`${at}.key`, key ?? '')
    const wrong = labelValueMessages(value)
    if (wrong.length > 0) yield invalidValue(`${at}.value`, value, wrong.join(';'))
    yield* taintEffectFaults(`${at}.effect`, effect)
    const pair = `${effect}/${key}`
    if (seen.has(pair)) {
      const fault = duplicate(at, taintAsGo(taint))
      yield { ...fault, message: `${fault.message}: taints must be unique by key and effect pair` }
    }
    seen.add(pair)
  }
}

function* podCidrFaults({ podCIDR, podCIDRs = [] }: Node['spec']): Faults {
  for (const [index, cidr] of podCIDRs.entries()) yield* cidrFaults(`spec.podCIDRs[${index}]`, cidr)
  const families = podCIDRs.map((cidr) => isIPv6(cidr.split('/')[0] ?? ''))
  if (new Set(families).size < podCIDRs.length) {
    yield invalidValue('spec.podCIDRs', podCIDRs, 'may specify no more than one CIDR for each IP family')
  }
  if (podCIDR && podCIDRs.length > 0 && podCIDRs[0] !== podCIDR) {
    yield invalidValue('spec.podCIDRs[0]', podCIDRs[0], 'must be equal to `podCIDR`')
  }
}

function* amountsFaults({ status = {} }: Node): Faults {
  for (const list of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(status[list] ?? {})) yield* amountFaults(`status.${list}.${name}`, name, amount)
  }
}

const featureRule =
  "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"

function* featuresFaults(features: readonly string[]): Faults {
  for (const [index, feature] of features.entries()) {
    const path = `status.declaredFeatures[${index}]`
    const before = features[index - 1]
    if (feature === before) yield duplicate(path, feature)
    else if (before !== undefined && feature < before) yield invalidValue(path, feature, 'list must be sorted alphabetically')
    const name = `invalid feature name ${JSON.stringify(feature)}`
    if (feature.length > 253) yield invalidValue(path, feature, `${name}: must be no more than 253 characters`)
    else if (!/^[A-Z][A-Za-z0-9]*(\/[A-Za-z0-9]+)*$/.test(feature)) yield invalidValue(path, feature, `${name}: ${featureRule}`)
  }
}

/** Told of taints as of metadata, as upstream does. */
function* nodeFaults(node: Node): Faults {
  yield* taintsFaults('metadata.taints', node.spec.taints ?? [])
  yield* amountsFaults(node)
  yield* featuresFaults(node.status?.declaredFeatures ?? [])
}

export const validateNode = (node: Node): FieldError[] => [...nodeFaults(node), ...podCidrFaults(node.spec)]

function* configMapFaults(path: string, source: ConfigMapNodeConfigSource, isWanted: boolean): Faults {
  const { uid, resourceVersion, namespace, name, kubeletConfigKey } = source
  for (const [field, value] of Object.entries({ uid, resourceVersion })) {
    if (isWanted && value) yield forbiddenField(`${path}.${field}`, `${field} must not be set in spec`)
    if (!isWanted && !value) yield required(`${path}.${field}`)
  }
  if (!namespace) yield required(`${path}.namespace`)
  else yield* dnsLabelFaults(`${path}.namespace`, namespace)
  if (!name) yield required(`${path}.name`)
  else yield* dnsSubdomainFaults(`${path}.name`, name)
  if (!kubeletConfigKey) yield required(`${path}.kubeletConfigKey`)
  else yield* dataKeyFaults(`${path}.kubeletConfigKey`, kubeletConfigKey)
}

function* configFaults(path: string, source: NodeConfigSource | undefined, isWanted = false): Faults {
  if (!source) return
  if (source.configMap) yield* configMapFaults(`${path}.configMap`, source.configMap, isWanted)
  else yield invalidValue(path, source, 'exactly one reference subfield must be non-nil')
}

function* addressFaults({ status }: Node): Faults {
  const seen = new Set<string>()
  for (const [index, { type, address }] of (status?.addresses ?? []).entries()) {
    const key = `${type} ${address}`
    if (seen.has(key)) yield duplicate(`status.addresses[${index}]`, { Type: type, Address: address })
    seen.add(key)
  }
}

const rangesOf = ({ podCIDR, podCIDRs }: Node['spec']): readonly string[] => podCIDRs ?? (podCIDR ? [podCIDR] : [])

/** Pods have addresses from the node's ranges: they can be given once, and never changed. So can the machine's name. */
function* changeFaults({ spec }: Node, { spec: before }: Node): Faults {
  const [now, was] = [rangesOf(spec), rangesOf(before)]
  const isChanged = now.length !== was.length || now.some((cidr, index) => cidr !== was[index])
  if (was.length > 0 && now.length === 0) yield invalidValue('spec.podCIDRs', undefined, 'field cannot be cleared once set')
  else if (was.length > 0 && isChanged) {
    yield forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')
  }
  if (!before.providerID || spec.providerID === before.providerID) return
  yield invalidValue('spec.providerID', undefined, `field cannot be ${spec.providerID ? 'modified' : 'cleared'} once set`)
}

export function validateNodeUpdate(node: Node, previous: Node): FieldError[] {
  const { configSource, externalID } = node.spec
  const config = node.status?.config
  return [
    ...addressFaults(node),
    ...changeFaults(node, previous),
    ...configFaults('spec.configSource', configSource, true),
    ...(['assigned', 'active', 'lastKnownGood'] as const).flatMap((one) => [...configFaults(`status.config.${one}`, config?.[one])]),
    ...(externalID === previous.spec.externalID ? [] : [forbiddenField('spec.externalID', 'may not be updated')]),
  ]
}

export const validateNodeStatus = (node: Node, previous: Node): FieldError[] => [...nodeFaults(node), ...validateNodeUpdate(node, previous)]

export const nodeWarnings = ({ spec }: Node): string[] => [
  ...(spec.configSource ? ['spec.configSource: the feature is removed'] : []),
  ...(spec.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
  ...rangesOf(spec).flatMap((cidr, index) => [...cidrWarnings(`spec.podCIDRs[${index}]`, cidr)]),
]
