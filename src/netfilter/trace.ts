import { contains } from './address-range.ts'
import { hostAndPort, type Match, matchText, type Rule, type Target, type TransportProtocol } from './rules.ts'

/** The first packet of a connection, as it enters a host. */
export interface Packet {
  /** Made by a process of the host itself, or come in from a pod or from outside. */
  readonly from: 'host' | 'network'
  readonly protocol: TransportProtocol
  readonly source: string
  readonly destination: string
  readonly port: number
  /** What it came in by, where that matters. */
  readonly interface?: string
  /** Default NEW. */
  readonly state?: 'NEW' | 'ESTABLISHED' | 'INVALID'
}

/** One way that a packet may go, with its exact share of all. */
export interface Outcome {
  readonly probability: number
  readonly verdict: 'arrives' | 'rejected' | 'dropped'
  /** `address:port` (`[address]:port`) after translation. */
  readonly to: string
  readonly masqueraded: boolean
  /** Recent lists that this way notes the source on. */
  readonly notes: readonly string[]
  /** Rules that it fulfilled, in their order; chains that it left without any are left out. */
  readonly path: readonly PathStep[]
}

/** A rule that the packet fulfilled. */
export interface PathStep {
  readonly table: 'nat' | 'filter'
  readonly chain: string
  readonly comment?: string
  /** Its other matches, as iptables writes them; empty: it is for every packet. */
  readonly matched: string
  /** What it did, in a few words: `dnat to 10.244.0.5:8080`. */
  readonly did: string
}

/** What a trace reads of a host: rules by table and chain, and the host's own addresses. */
export interface TracedHost {
  rules(table: 'nat' | 'filter', chain: string): readonly Rule[]
  isLocal(address: string): boolean
  seenRecently(list: string, source: string, seconds: number): boolean
}

/** One possible state of the packet half-way. */
interface World {
  readonly probability: number
  readonly packet: Packet
  readonly mark: number
  readonly translated: boolean
  readonly masqueraded: boolean
  readonly notes: readonly string[]
  readonly path: readonly PathStep[]
  /** Empty where it is not known; that is no interface's name. */
  readonly outputInterface: string
}
type Verdict = 'next' | 'accept' | 'drop' | 'reject'
interface Step {
  readonly world: World
  readonly verdict: Verdict
}

/** Follows a packet through nat and filter in the kernel's order of hooks; chances are enumerated, not drawn. */
export function trace(host: TracedHost, packet: Packet): Outcome[] {
  const start: World = {
    ...{ probability: 1, packet, mark: 0, translated: false, masqueraded: false },
    ...{ notes: [], path: [], outputInterface: '' },
  }
  const outcomes: Outcome[] = []
  const finish = (verdict: Outcome['verdict'], world: World): void => {
    const { probability, masqueraded, notes, path, packet: end } = world
    outcomes.push({ probability, verdict, to: hostAndPort(end.destination, end.port), masqueraded, notes, path })
  }
  let worlds: World[] = [start]
  const through = (table: 'nat' | 'filter', chain: string, subset: (world: World) => boolean = () => true): void => {
    worlds = worlds.flatMap((world) => {
      if (!subset(world)) return [world]
      const kept: World[] = []
      for (const step of walk(host, table, chain, world)) {
        if (step.verdict === 'drop') finish('dropped', step.world)
        else if (step.verdict === 'reject') finish('rejected', step.world)
        else kept.push(step.world)
      }
      return kept
    })
  }
  const isNew = (packet.state ?? 'NEW') === 'NEW'
  const toHost = (world: World): boolean => host.isLocal(world.packet.destination)
  if (packet.from === 'network') {
    if (isNew) through('nat', 'PREROUTING')
    through('filter', 'INPUT', toHost)
    through('filter', 'FORWARD', (world) => !toHost(world))
    if (isNew) through('nat', 'POSTROUTING', (world) => !toHost(world))
  } else {
    worlds = worlds.map((world) => leaving(world, toHost))
    if (isNew) through('nat', 'OUTPUT')
    worlds = worlds.map((world) => leaving(world, toHost))
    through('filter', 'OUTPUT')
    if (isNew) through('nat', 'POSTROUTING')
    worlds = worlds.map((world) =>
      toHost(world) ? { ...world, packet: { ...world.packet, interface: 'lo' }, outputInterface: '' } : world,
    )
    through('filter', 'INPUT', toHost) // over the loopback
  }
  for (const world of worlds) finish('arrives', world)
  return outcomes
}

/** What a host sends to itself goes over the loopback. */
function leaving(world: World, toHost: (world: World) => boolean): World {
  return { ...world, outputInterface: toHost(world) ? 'lo' : '' }
}

function walk(host: TracedHost, table: 'nat' | 'filter', chain: string, start: World): Step[] {
  const done: Step[] = []
  let active: World[] = [start]
  for (const rule of host.rules(table, chain)) {
    const remaining: World[] = []
    for (const world of active) {
      const chance = rule.matches.reduce((product, match) => product * matches(host, match, world), 1)
      if (chance < 1) remaining.push({ ...world, probability: world.probability * (1 - chance) })
      if (chance === 0) continue
      const path = [...world.path, pathStep(table, chain, rule)]
      const hit = noted({ ...world, probability: world.probability * chance, path }, rule)
      for (const step of follow(host, table, rule.target, hit)) {
        if (step.verdict === 'next') remaining.push(step.world)
        else if (step.verdict === 'return') done.push({ world: step.world, verdict: 'next' })
        else done.push({ world: step.world, verdict: step.verdict })
      }
    }
    active = remaining
  }
  return [...done, ...active.map((world): Step => ({ world, verdict: 'next' }))]
}

function pathStep(table: 'nat' | 'filter', chain: string, { matches: all, target }: Rule): PathStep {
  const comment = all.find((match) => match.type === 'comment')?.text
  const matched = all.flatMap((match) => (match.type === 'comment' ? [] : [matchText(match)])).join(' ')
  return { table, chain, ...(comment === undefined ? {} : { comment }), matched, did: targetWords(target) }
}

function targetWords(target: Target): string {
  switch (target.type) {
    case 'jump':
      return `jump to ${target.chain}`
    case 'reject':
      return target.with === undefined ? 'reject' : 'reject with tcp reset'
    case 'mark':
      return `mark ${target.how === 'set' ? 'set' : 'turned'} 0x${target.value.toString(16)}`
    case 'dnat':
      return `dnat to ${hostAndPort(target.address, target.port)}`
    case 'accept':
    case 'drop':
    case 'return':
    case 'masquerade':
      return target.type
  }
}

/** `before` ends with the jump; who comes back with nothing more met no rule that did anything. */
function withoutIdleJump({ world, verdict }: Step, before: readonly PathStep[]): Step {
  const idle = verdict === 'next' && world.path.length === before.length
  return { world: idle ? { ...world, path: before.slice(0, -1) } : world, verdict }
}

function noted(world: World, rule: Rule): World {
  const lists = rule.matches.flatMap((match) => (match.type === 'noteSource' ? [match.list] : []))
  return lists.length === 0 ? world : { ...world, notes: [...world.notes, ...lists] }
}

function follow(host: TracedHost, table: 'nat' | 'filter', target: Target, world: World): { world: World; verdict: Verdict | 'return' }[] {
  switch (target.type) {
    case 'jump':
      return walk(host, table, target.chain, world).map((step) => withoutIdleJump(step, world.path))
    case 'accept':
    case 'drop':
    case 'reject':
    case 'return':
      return [{ world, verdict: target.type }]
    case 'mark': {
      const mark = (target.how === 'set' ? world.mark | target.value : world.mark ^ target.value) >>> 0
      return [{ world: { ...world, mark }, verdict: 'next' }]
    }
    case 'dnat': {
      const packet = { ...world.packet, destination: target.address, port: target.port }
      return [{ world: { ...world, packet, translated: true }, verdict: 'accept' }]
    }
    case 'masquerade':
      return [{ world: { ...world, masqueraded: true }, verdict: 'accept' }]
  }
}

/** 0 or 1, or the chance in between. */
function matches(host: TracedHost, match: Match, world: World): number {
  const { packet } = world
  const yes = (holds: boolean, not?: true): number => (holds !== (not ?? false) ? 1 : 0)
  switch (match.type) {
    case 'source':
      return yes(contains(match.cidr, packet.source), match.not)
    case 'destination':
      return yes(contains(match.cidr, packet.destination), match.not)
    case 'protocol':
      return yes(packet.protocol === match.protocol && (match.port === undefined || match.port === packet.port))
    case 'interface':
      return yes(isNamed(match.name, packet.interface ?? ''), match.not)
    case 'outputInterface':
      return yes(isNamed(match.name, world.outputInterface), match.not)
    case 'sourceIsLocal':
      return yes(host.isLocal(packet.source))
    case 'destinationIsLocal':
      return yes(host.isLocal(packet.destination))
    case 'state': {
      const states = [packet.state ?? 'NEW', ...(world.translated ? ['DNAT'] : [])]
      return yes(
        match.states.some((state) => states.includes(state)),
        match.not,
      )
    }
    case 'mark':
      return yes((world.mark & match.value) >>> 0 === match.value, match.not)
    case 'oneIn':
      return 1 / match.parts
    case 'seenRecently':
      return yes(host.seenRecently(match.list, packet.source, match.seconds))
    case 'noteSource':
    case 'comment':
      return 1
  }
}

/** `veth+` names all that begin like that. */
function isNamed(pattern: string, name: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}
