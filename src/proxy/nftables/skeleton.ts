import type { Chain, Element, Family, NftSet, Rule, Table } from '../../netfilter/nftables/ruleset.ts'
import type { Key, Selector } from '../../netfilter/nftables/selectors.ts'
import type { Statement } from '../../netfilter/nftables/statements.ts'
import { guardNote } from '../route-localnet.ts'
import type { RuleSettings } from '../service-rules.ts'
import { rangeBytes } from './address-bytes.ts'
import { type Chooser, chooserChain, type NumberedChooser } from './choosers.ts'
import { codeMask, drop as dropped, groupMask, numberBytes, refuse } from './destination.ts'
import * as sets from './set-names.ts'

/** What the chains depend on: settings, and what distinct numbers of endpoints and lengths of prefixes there are. */
export interface SkeletonContext extends RuleSettings {
  readonly choosers: readonly NumberedChooser[]
  readonly rangeBits: readonly number[]
  /** What route_localnet was before localhost node ports turned it on; undefined: no localhost node ports. */
  readonly routeLocalnetWas: '0' | '1' | undefined
}

export const nftFamily = (family: RuleSettings['family']): Family => (family === 'IPv4' ? 'ip' : 'ip6')

/** Before iptables' own chains and those that others hook at the usual place, for whoever translates first has it. */
const beforeDnat = -101
const beforeSnat = 99
const beforeFilter = -1
const protocols = ['tcp', 'udp', 'sctp'] as const
/** Clients that are remembered at most; further ones are served without being remembered. */
const mostClients = 1_048_576

const rule = (comment: string | undefined, ...statements: Statement[]): Rule =>
  comment === undefined ? { statements } : { statements, comment }
const jump = (chain: string): Statement => ({ kind: 'verdict', verdict: { jump: chain } })
const goto = (chain: string): Statement => ({ kind: 'verdict', verdict: { goto: chain } })
const drop: Statement = { kind: 'verdict', verdict: 'drop' }
const priority = (to: Extract<Statement, { kind: 'set' }>['to']): Statement => ({ kind: 'set', field: 'meta priority', to })
const destinationFrom = (map: string, key: Key): Statement => priority({ map, key })
const group: Selector = { of: 'meta priority', mask: groupMask }
const code: Selector = { of: 'meta priority', mask: codeMask }

/** The fields of one address family. */
function wordsOf(context: RuleSettings) {
  const six = context.family === 'IPv6'
  const source = six ? 'ip6 saddr' : 'ip saddr'
  const target = six ? 'ip6 daddr' : 'ip daddr'
  const original = six ? 'ct original ip6 daddr' : 'ct original ip daddr'
  return {
    source,
    target,
    original,
    address: six ? 'ipv6_addr' : 'ipv4_addr',
    loopback: six ? '::1/128' : '127.0.0.0/8',
    frontend: [target, 'meta l4proto', 'th dport'],
    nodePort: ['meta l4proto', 'th dport'],
    originalFrontend: [original, 'meta l4proto', 'ct original proto-dst'],
    originalNodePort: ['meta l4proto', 'ct original proto-dst'],
  } as const
}
type Words = ReturnType<typeof wordsOf>

/** The table without its elements: a fixed number of chains, and one for each distinct way of choosing. */
export function skeleton(context: SkeletonContext): Table {
  const words = wordsOf(context)
  return {
    family: nftFamily(context.family),
    name: sets.tableName(context.tag),
    sets: setsOf(words, context),
    chains: [
      ...baseChains(words, context),
      { name: 'services', rules: servicesRules(words, context) },
      { name: 'ports', rules: portsRules(words, context) },
      { name: 'to-external', rules: toExternalRules(words, context) },
      { name: 'to-node', rules: toNodeRules(words, context) },
      { name: 'source-ranges', rules: sourceRangesRules(context) },
      { name: 'choose', rules: [rule(undefined, { kind: 'vmap', key: code, map: sets.choosers })] },
      { name: 'refuse', rules: refuseRules },
      { name: 'translated', rules: translatedRules(words, context) },
      { name: 'near', rules: nearRules },
      { name: 'mask-source', rules: [rule(undefined, priority(0), { kind: 'masquerade', flags: ['fully-random'] })] },
      { name: 'keep-source', rules: [rule(undefined, priority(0))] },
      ...(context.dropsInvalid ? [{ name: 'invalid', rules: invalidRules(words) }] : []),
      ...context.choosers.map(({ chooser }) => chooserChainOf(context, chooser)),
    ],
  }
}

function setsOf({ address }: Words, { rangeBits }: SkeletonContext): NftSet[] {
  const frontend = [address, 'inet_proto', 'inet_service'] as const
  const nodePort = ['inet_proto', 'inet_service'] as const
  const slot = ['classid', 'index'] as const
  const target = [address, 'inet_service'] as const
  return [
    { name: sets.internal, key: frontend, data: ['classid'] },
    { name: sets.external, key: frontend, data: ['classid'] },
    { name: sets.externalNear, key: frontend, data: ['classid'] },
    { name: sets.nodePorts, key: nodePort, data: ['classid'] },
    { name: sets.nodePortsNear, key: nodePort, data: ['classid'] },
    { name: sets.endpoints, key: slot, data: target },
    { name: sets.stickySlots, key: slot, data: ['classid'] },
    { name: sets.stickyEndpoints, key: ['classid'], data: target },
    { name: sets.affinity, key: ['classid', address], data: ['classid'], dynamic: true, timeoutMs: 0, size: mostClients },
    { name: sets.clusterIps, key: [address] },
    { name: sets.externalIps, key: [address] },
    { name: sets.guarded, key: frontend },
    { name: sets.hairpin, key: [address, address] },
    { name: sets.nodeAddresses, key: [address], interval: true },
    { name: sets.choosers, key: ['classid'], data: 'verdict' },
    ...rangeBits.map((bits) => sourceRangesSet(address, bits)),
  ]
}

const sourceRangesSet = (address: Words['address'], bits: number): NftSet => ({
  name: sets.sourceRanges(bits),
  key: [address, 'inet_proto', 'inet_service', address],
})

function baseChains(words: Words, { routeLocalnetWas, dropsInvalid }: SkeletonContext): Chain[] {
  // Only a connection's first packet comes through chains of type nat. So what is there costs established connections nothing.
  const nat = (name: string, hook: 'prerouting' | 'output' | 'postrouting', hookPriority: number, rules: Rule[]): Chain => ({
    name,
    hook: { type: 'nat', hook, priority: hookPriority, policy: 'accept' },
    rules,
  })
  const filter = (name: string, hook: 'input' | 'forward', rules: Rule[]): Chain => ({
    name,
    hook: { type: 'filter', hook, priority: beforeFilter, policy: 'accept' },
    rules,
  })
  const toLoopback: Statement[] = [
    // The address first: most packets are done with here, and interfaces' names take longer to compare.
    { kind: 'match', key: words.target, value: words.loopback },
    { kind: 'match', key: 'iifname', op: '!=', value: 'lo' },
  ]
  const translatedByNobody: Statement = { kind: 'match', key: 'ct status', op: '!=', value: 'dnat' }
  const guarded = routeLocalnetWas !== undefined
  const invalid = rule(undefined, { kind: 'match', key: 'ct state', value: 'invalid' }, jump('invalid'))
  return [
    nat('nat-prerouting', 'prerouting', beforeDnat, [
      ...(guarded ? [rule('localhost node ports are not for the network', ...toLoopback, drop)] : []),
      rule(undefined, jump('services')),
    ]),
    nat('nat-output', 'output', beforeDnat, [rule(undefined, jump('services'))]),
    nat('nat-postrouting', 'postrouting', beforeSnat, [
      rule(undefined, { kind: 'match', key: 'ct status', value: 'dnat' }, jump('translated')),
    ]),
    ...(guarded ? [filter('filter-input', 'input', [rule(guardNote(routeLocalnetWas), ...toLoopback, translatedByNobody, drop)])] : []),
    ...(dropsInvalid ? [filter('filter-forward', 'forward', [invalid])] : []),
  ]
}

function servicesRules({ target }: Words, { serviceCidrs }: SkeletonContext): Rule[] {
  const ofProtocol = protocols.map((protocol) => rule(undefined, { kind: 'match', key: 'meta l4proto', value: protocol }, jump('ports')))
  const stray = serviceCidrs.map((cidr) => rule('no such Service', { kind: 'match', key: target, value: cidr }, goto('refuse')))
  return [
    rule(
      'answers to what was refused come by here too',
      { kind: 'match', key: 'ct state', op: '!=', value: 'new' },
      { kind: 'verdict', verdict: 'return' },
    ),
    ...ofProtocol,
    rule('no such Service port', { kind: 'lookup', key: target, set: sets.clusterIps }, goto('refuse')),
    ...stray,
  ]
}

/** A connection that is none of ours is told by three look-ups: what only a few need stands in chains behind them. */
function portsRules(words: Words, context: SkeletonContext): Rule[] {
  return [
    rule('cluster address', destinationFrom(sets.internal, words.frontend), goto('choose')),
    rule('external address', { kind: 'lookup', key: words.target, set: sets.externalIps }, jump('to-external')),
    rule('node port', ...toNode(words, context), jump('to-node')),
  ]
}

function toExternalRules(words: Words, context: SkeletonContext): Rule[] {
  return [
    rule('load balancer with source ranges', { kind: 'lookup', key: words.frontend, set: sets.guarded }, jump('source-ranges')),
    ...fromHereRules(words, context, destinationFrom(sets.externalNear, words.frontend)),
    rule(undefined, destinationFrom(sets.external, words.frontend), goto('choose')),
  ]
}

function toNodeRules(words: Words, context: SkeletonContext): Rule[] {
  return [
    ...fromHereRules(words, context, destinationFrom(sets.nodePortsNear, words.nodePort)),
    rule(undefined, destinationFrom(sets.nodePorts, words.nodePort), goto('choose')),
  ]
}

/** Under the Local policy too, pods and the host itself reach all endpoints. */
function fromHereRules(words: Words, context: SkeletonContext, destinationNear: Statement): Rule[] {
  const pods = fromPods(words, context)
  return [
    ...(pods ? [rule('Local policy, from a pod', pods, destinationNear, goto('choose'))] : []),
    rule('Local policy, from this host', { kind: 'match', key: 'fib saddr type', value: 'local' }, destinationNear, goto('choose')),
  ]
}

function fromPods({ source }: Words, { podTraffic }: RuleSettings, op: '==' | '!=' = '=='): Statement | undefined {
  if (!podTraffic) return undefined
  if (podTraffic.by === 'source') return { kind: 'match', key: source, op, value: podTraffic.cidr }
  return { kind: 'match', key: 'iifname', op, value: podTraffic.name }
}

function toNode({ target, loopback }: Words, { nodePortAddresses, routeLocalnetWas }: SkeletonContext): Statement[] {
  const local: Statement = { kind: 'match', key: 'fib daddr type', value: 'local' }
  if (nodePortAddresses.length > 0) return [{ kind: 'lookup', key: target, set: sets.nodeAddresses }, local]
  return routeLocalnetWas === undefined ? [{ kind: 'match', key: target, op: '!=', value: loopback }, local] : [local]
}

/** Who came in by no allowed range stays outside. */
function sourceRangesRules(context: SkeletonContext): Rule[] {
  const words = wordsOf(context)
  const allowed = context.rangeBits.map((bits) =>
    rule(
      undefined,
      { kind: 'lookup', key: [...words.frontend, { of: words.source, prefix: bits }], set: sets.sourceRanges(bits) },
      { kind: 'verdict', verdict: 'return' },
    ),
  )
  return [...allowed, rule('not in the source ranges', drop)]
}

const refuseRules: Rule[] = [
  rule(undefined, { kind: 'match', key: 'meta l4proto', value: 'tcp' }, { kind: 'reject', with: 'tcp reset' }),
  rule(undefined, { kind: 'reject', with: 'port-unreachable' }),
]

/** Translated by us? Then the address that the client sent to tells whether its own address is kept. */
function translatedRules(words: Words, context: SkeletonContext): Rule[] {
  const { source, target, original, originalFrontend, originalNodePort } = words
  const stranger = context.masqueradeAll ? [] : fromPods(words, context, '!=')
  const masksInternal: Statement[] | undefined = Array.isArray(stranger) ? stranger : stranger && [stranger]
  const toNodeAddress: Statement[] =
    context.nodePortAddresses.length > 0 ? [{ kind: 'lookup', key: original, set: sets.nodeAddresses }] : []
  const rules = [
    rule('a pod that reaches itself', { kind: 'lookup', key: [source, target], set: sets.hairpin }, goto('mask-source')),
    ...podToClusterRules(words, context),
  ]
  for (const protocol of protocols) {
    const of: Statement = { kind: 'match', key: 'meta l4proto', value: protocol }
    if (masksInternal)
      rules.push(
        rule('cluster address, from no pod', of, ...masksInternal, destinationFrom(sets.internal, originalFrontend), goto('mask-source')),
      )
    rules.push(
      rule('cluster address', of, destinationFrom(sets.internal, originalFrontend), goto('keep-source')),
      rule('external address, Local policy', of, destinationFrom(sets.externalNear, originalFrontend), goto('near')),
      rule('external address', of, destinationFrom(sets.external, originalFrontend), goto('mask-source')),
      rule('node port, Local policy', of, ...toNodeAddress, destinationFrom(sets.nodePortsNear, originalNodePort), goto('near')),
      rule('node port', of, ...toNodeAddress, destinationFrom(sets.nodePorts, originalNodePort), goto('mask-source')),
    )
  }
  return rules
}

/** The most frequent of all, known without a look-up. */
function podToClusterRules(words: Words, context: SkeletonContext): Rule[] {
  const pods = fromPods(words, context)
  if (!pods || context.masqueradeAll) return []
  return context.serviceCidrs.map((cidr) => {
    const toCluster: Statement = { kind: 'match', key: words.original, value: cidr }
    return rule('cluster address, from a pod', pods, toCluster, goto('keep-source'))
  })
}

const nearRules: Rule[] = [
  rule('from this host', { kind: 'match', key: 'fib saddr type', value: 'local' }, goto('mask-source')),
  rule(undefined, priority(0)),
]

/** What connection tracking cannot place goes untranslated, and whoever gets it resets the connection. */
const invalidRules = ({ source, target }: Words): Rule[] => [
  rule('answers of an endpoint', { kind: 'lookup', key: [source, source], set: sets.hairpin }, drop),
  rule('to a cluster address', { kind: 'lookup', key: target, set: sets.clusterIps }, drop),
]

/** A rule for each protocol, as nft takes ports in translations only where it is sure of the protocol. */
const translate = (key: Key, map: string): Rule[] =>
  protocols.map((protocol) => rule(undefined, { kind: 'match', key: 'meta l4proto', value: protocol }, { kind: 'dnat', to: { map, key } }))

export function chooserChainOf(context: RuleSettings, chooser: Chooser): Chain {
  const rules =
    chooser.affinitySeconds === undefined ? chooserRules(chooser) : stickyRules(wordsOf(context), chooser, chooser.affinitySeconds)
  return { name: chooserChain(chooser), rules }
}

const oneOf = (count: number): Selector => ({ numgen: 'random', modulus: count })

function chooserRules({ endpoints }: Chooser): Rule[] {
  return [
    rule(undefined, priority(group)),
    ...translate(['meta priority', oneOf(endpoints)], sets.endpoints),
    // The frontend was read a moment before its last endpoint but one went: the first is there for as long as there is any.
    ...translate(['meta priority', oneOf(1)], sets.endpoints),
    rule(undefined, drop),
  ]
}

/** The endpoint that the client is remembered with, if it is still there; else one is chosen and remembered. */
function stickyRules({ source }: Words, { endpoints }: Chooser, seconds: number): Rule[] {
  // In this order: the other way round, nft 1.0 runs out of registers with IPv6.
  const client: Key = [group, source]
  const memory = { kind: 'dynset', set: sets.affinity, key: client, data: 'meta priority' } as const
  const remember: Statement = { ...memory, op: 'update', timeoutMs: seconds * 1000 }
  const isChosen: Statement = { kind: 'match', key: code, op: '!=', value: 0 }
  // An update leaves the data of an element as it was.
  const gone = rule('remembered, but gone', isChosen, { ...memory, op: 'delete' })
  const slot = (count: number): Statement => priority({ map: sets.stickySlots, key: ['meta priority', oneOf(count)] })
  const choose = [
    rule(undefined, priority(group)),
    rule(undefined, slot(endpoints)),
    // As without affinity: the slots became fewer a moment ago, and the first is there for as long as there is any.
    rule(undefined, { kind: 'match', key: code, value: 0 }, slot(1)),
    rule(undefined, isChosen, remember),
    ...translate('meta priority', sets.stickyEndpoints),
  ]
  return [
    rule(undefined, priority(group)),
    rule('remembered', destinationFrom(sets.affinity, ['meta priority', source])),
    rule(undefined, isChosen, remember),
    ...translate('meta priority', sets.stickyEndpoints),
    gone,
    ...choose,
    // The slot was read a moment before its endpoint went: once more.
    gone,
    ...choose,
    rule(undefined, drop),
  ]
}

/** Elements that come with the skeleton. */
export function fixedElements(context: SkeletonContext, set: string): Element[] {
  if (set === sets.nodeAddresses) return nodeAddressElements(context)
  if (set !== sets.choosers) return []
  const always: Element[] = [
    { key: numberBytes(refuse), verdict: { goto: 'refuse' } },
    { key: numberBytes(dropped), verdict: 'drop' },
  ]
  return [...always, ...chooserElements(context.choosers)]
}

export const chooserElements = (choosers: readonly NumberedChooser[]): Element[] =>
  choosers.map(({ code: number, chooser }) => ({ key: numberBytes(number), verdict: { goto: chooserChain(chooser) } }))

function nodeAddressElements({ family, nodePortAddresses, routeLocalnetWas }: SkeletonContext): Element[] {
  if (nodePortAddresses.length === 0) return []
  const localhost = routeLocalnetWas === undefined ? [] : ['127.0.0.0/8']
  const ranges = [...nodePortAddresses, ...localhost].map((range) => rangeBytes(family, range))
  // Prefixes lie apart or one within the other; the kernel refuses the latter.
  const outer = ranges.filter(({ first, last }, i) =>
    ranges.every(
      (other, j) => i === j || first < other.first || last > other.last || (first === other.first && last === other.last && i < j),
    ),
  )
  return outer.map(({ first, last }) => (first === last ? { key: first } : { key: first, end: last }))
}
