import { emptyRuleSet, type Hook, type Match, only, type Rule, type RuleSet, type TableName } from '../../netfilter/rules.ts'
import { guardNote } from '../route-localnet.ts'
import type { RuleSettings } from '../service-rules.ts'
import { type PortRules, type RuleContext, refusal } from './port-rules.ts'

export interface DesiredContext extends RuleContext, Omit<RuleSettings, 'tag' | 'node' | 'localhostNodePorts'> {
  /** What /proc/sys/net/ipv4/conf/all/route_localnet was before localhost node ports turned it on; undefined: no localhost node ports. */
  readonly routeLocalnetWas: '0' | '1' | undefined
}

const comment = (text: string): Match => ({ type: 'comment', text })
const onlyNew: Match = { type: 'state', states: ['NEW'] }

/** All rules, from the parts of all ports in the given order. */
export function desiredRules(ports: Iterable<PortRules>, context: DesiredContext): RuleSet {
  const { chains } = context
  /** By it KUBE-MARK-MASQ tells KUBE-POSTROUTING. The last bit must not turn the number negative. */
  const masqueradeMark = (1 << context.masqueradeBit) >>> 0
  const nat = new Map<string, readonly Rule[]>()
  const services: Rule[] = []
  const nodePorts: Rule[] = []
  const refusals: Rule[] = []
  const externalRefusals: Rule[] = []
  const firewall: Rule[] = []
  for (const port of ports) {
    services.push(...port.services)
    nodePorts.push(...port.nodePorts)
    refusals.push(...port.refusals)
    externalRefusals.push(...port.externalRefusals)
    firewall.push(...port.firewall)
    for (const [name, rules] of port.chains) nat.set(name, rules)
  }
  nat.set(chains.services, [...services, ...nodePortEntrances(context)])
  nat.set(chains.nodePorts, nodePorts)
  nat.set(chains.markMasquerade, [{ matches: [], target: { type: 'mark', value: masqueradeMark, how: 'set' } }])
  nat.set(chains.postrouting, [
    { matches: [{ type: 'mark', value: masqueradeMark, not: true }], target: { type: 'return' } },
    { matches: [], target: { type: 'mark', value: masqueradeMark, how: 'toggle' } }, // tunnels would meet it again
    { matches: [comment('kubernetes service traffic requiring SNAT')], target: { type: 'masquerade' } },
  ])
  const filter = new Map<string, readonly Rule[]>([
    [chains.services, [...refusals, ...strayRules(context)]],
    [chains.externalServices, externalRefusals],
    [chains.sourceRangeGuard, firewall],
    [chains.forward, forwardRules(masqueradeMark, context)],
  ])
  if (context.routeLocalnetWas !== undefined) filter.set(chains.localnetGuard, [localnetGuard(context.routeLocalnetWas)])
  return { tables: { ...emptyRuleSet.tables, nat, filter }, hooks: hooks(context) }
}

/** The last rules of KUBE-SERVICES: service addresses may be local too, and go first. */
function nodePortEntrances({ chains, nodePortAddresses, routeLocalnetWas }: DesiredContext): Rule[] {
  const note = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain')
  const enter = (...matches: Match[]): Rule => ({
    matches: [...matches, note, { type: 'destinationIsLocal' }],
    target: { type: 'jump', chain: chains.nodePorts },
  })
  if (nodePortAddresses.length === 0) return [enter()]
  const entrances = nodePortAddresses.map((address) =>
    enter({ type: 'destination', cidr: address.includes('/') ? address : only(address) }),
  )
  if (routeLocalnetWas === undefined) return entrances
  // From the host to itself only: the network must not come in by this door.
  return [...entrances, enter({ type: 'source', cidr: '127.0.0.0/8' }, { type: 'destination', cidr: '127.0.0.0/8' })]
}

function strayRules({ serviceCidrs }: DesiredContext): Rule[] {
  const stray = (cidr: string, protocol?: 'tcp'): Rule => ({
    matches: [
      { type: 'destination', cidr },
      ...(protocol ? [{ type: 'protocol', protocol } as const] : []),
      comment('no such service port'),
    ],
    target: protocol ? refusal(protocol) : { type: 'reject' },
  })
  return serviceCidrs.flatMap((cidr) => [stray(cidr, 'tcp'), stray(cidr)])
}

function forwardRules(masqueradeMark: number, { dropsInvalid }: DesiredContext): Rule[] {
  const marked: Match = { type: 'mark', value: masqueradeMark }
  // Packets that connection tracking cannot place would leave untranslated, and the other side would reset the connection.
  const invalid: Rule = { matches: [{ type: 'state', states: ['INVALID'] }], target: { type: 'drop' } }
  return [
    ...(dropsInvalid ? [invalid] : []),
    { matches: [comment('kubernetes forwarding rules'), marked], target: { type: 'accept' } },
    {
      matches: [comment('kubernetes forwarding conntrack rule'), { type: 'state', states: ['RELATED', 'ESTABLISHED'] }],
      target: { type: 'accept' },
    },
  ]
}

/** The comment is how a later removal knows whether to turn route_localnet off again. */
export function localnetGuard(was: '0' | '1'): Rule {
  return {
    matches: [
      { type: 'source', cidr: '127.0.0.0/8', not: true },
      { type: 'destination', cidr: '127.0.0.0/8' },
      comment(guardNote(was)),
      { type: 'state', states: ['RELATED', 'ESTABLISHED', 'DNAT'], not: true },
    ],
    target: { type: 'drop' },
  }
}

function hooks({ chains, routeLocalnetWas }: DesiredContext): Hook[] {
  const hook = (table: TableName, chain: string, target: string, note: string, ...matches: Match[]): Hook => ({
    table,
    chain,
    rule: { matches: [...matches, comment(note)], target: { type: 'jump', chain: target } },
  })
  const guard = (chain: string): Hook[] =>
    routeLocalnetWas === undefined ? [] : [hook('filter', chain, chains.localnetGuard, 'kubernetes localnet guard')]
  const firewall = (chain: string): Hook => hook('filter', chain, chains.sourceRangeGuard, 'kubernetes load balancer firewall', onlyNew)
  const services = (chain: string): Hook => hook('filter', chain, chains.services, 'kubernetes service portals', onlyNew)
  const external = (chain: string): Hook =>
    hook('filter', chain, chains.externalServices, 'kubernetes externally-visible service portals', onlyNew)
  return [
    hook('nat', 'PREROUTING', chains.services, 'kubernetes service portals'),
    hook('nat', 'OUTPUT', chains.services, 'kubernetes service portals'),
    hook('nat', 'POSTROUTING', chains.postrouting, 'kubernetes postrouting rules'),
    ...guard('INPUT'),
    firewall('INPUT'),
    services('INPUT'),
    external('INPUT'),
    firewall('FORWARD'),
    hook('filter', 'FORWARD', chains.forward, 'kubernetes forwarding rules'),
    services('FORWARD'),
    external('FORWARD'),
    ...guard('OUTPUT'),
    firewall('OUTPUT'),
    services('OUTPUT'),
    external('OUTPUT'),
  ]
}
