import { hostAndPort } from '../rules.ts'
import type { Packet } from '../trace.ts'
import { evaluateRule, type World } from './evaluate.ts'
import type { Verdict } from './expressions.ts'
import type { HeldChain, HeldRule, HeldTable, HookName } from './ruleset.ts'
import type { TracedOutcome, TracedStep } from './traced-outcome.ts'

/** What a trace reads of a host. */
export interface TracedHost {
  /** Everybody's, as a kernel holds them. */
  readonly tables: readonly HeldTable[]
  isLocal(address: string): boolean
  /** The interface by which the host sends to an address, where that is known. */
  interfaceTo?(address: string): string | undefined
}

interface Base {
  readonly table: HeldTable
  readonly chain: HeldChain & { hook: NonNullable<HeldChain['hook']> }
}

type End = 'accept' | 'drop' | 'reject'
interface Left {
  readonly world: World
  readonly verdict: End | 'end' | 'return'
}

const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const
const connectionTracking = -200
/** Where the kernel runs nat chains, whatever their own priority; that one decides between them. */
const natPriority: Record<HookName, number> = { prerouting: -100, output: -100, forward: 0, input: 100, postrouting: 100 }
/** The kernel's own bound on chains within chains. */
const depthAtMost = 16

/** Follows the first packet of a connection through all base chains, in the kernel's order of hooks; chances are enumerated, not drawn. */
export function traceNftables(host: TracedHost, packet: Packet & { sourcePort?: number }): TracedOutcome[] {
  const outcomes: TracedOutcome[] = []
  let worlds: World[] = [startOf(packet)]
  const through = (hook: HookName, again = false): void => {
    worlds = worlds.flatMap((world) => {
      const kept: World[] = []
      for (const left of runHook(host, hook, world, again)) {
        if (left.verdict === 'accept') kept.push(left.world)
        else outcomes.push(outcomeOf(left.world, left.verdict === 'drop' ? 'dropped' : 'rejected'))
      }
      return kept
    })
  }
  const split = (toHost: () => void, onward: () => void): void => {
    const all = worlds
    const local = all.filter((world) => host.isLocal(world.packet.destination))
    worlds = local
    toHost()
    const done = worlds
    worlds = all.filter((world) => !local.includes(world)).map((world) => leavingBy(host, world))
    onward()
    worlds = [...done, ...worlds]
  }
  if (packet.from === 'network') {
    through('prerouting')
    split(
      () => through('input'),
      () => {
        through('forward')
        through('postrouting')
      },
    )
  } else {
    worlds = worlds.map((world) => leavingBy(host, world))
    through('output')
    worlds = worlds.map((world) => leavingBy(host, world))
    through('postrouting')
    split(
      () => {
        worlds = worlds.map((world) => ({ ...world, packet: { ...world.packet, inputInterface: 'lo', outputInterface: '' } }))
        through('prerouting', true) // over the loopback
        through('input')
      },
      () => undefined,
    )
  }
  for (const world of worlds) outcomes.push(outcomeOf(world, 'arrives'))
  return outcomes
}

function startOf(packet: Packet & { sourcePort?: number }): World {
  const state = packet.state === undefined ? 'new' : (packet.state.toLowerCase() as 'new' | 'established' | 'invalid')
  const sourcePort = packet.sourcePort ?? 40_000
  const { source, destination, port } = packet
  return {
    probability: 1,
    packet: {
      six: destination.includes(':'),
      protocol: protocolNumbers[packet.protocol],
      source,
      sourcePort,
      destination,
      port,
      inputInterface: packet.from === 'host' ? '' : (packet.interface ?? ''),
      outputInterface: '',
      mark: 0,
      priority: 0,
      connection: undefined,
    },
    tracked: {
      state,
      mark: 0,
      originalSource: source,
      originalDestination: destination,
      originalSourcePort: sourcePort,
      originalPort: port,
      translated: { destination: false, source: false },
    },
    masqueraded: false,
    updates: [],
    notUnderstood: [],
    path: [],
  }
}

function leavingBy(host: TracedHost, world: World): World {
  const outputInterface = host.isLocal(world.packet.destination) ? 'lo' : (host.interfaceTo?.(world.packet.destination) ?? '')
  return { ...world, packet: { ...world.packet, outputInterface } }
}

function outcomeOf(world: World, verdict: TracedOutcome['verdict']): TracedOutcome {
  const { probability, packet, masqueraded, updates, notUnderstood, path, source, rejectedWith } = world
  return {
    probability,
    verdict,
    to: hostAndPort(packet.destination, packet.port),
    masqueraded,
    ...(source === undefined ? {} : { source }),
    ...(rejectedWith === undefined || verdict !== 'rejected' ? {} : { rejectedWith }),
    updates,
    notUnderstood: [...new Set(notUnderstood)],
    path,
  }
}

/** All base chains of one hook. `again`: the packet's connection was translated before, so that nat has nothing more to say. */
function runHook(host: TracedHost, hook: HookName, start: World, again: boolean): { world: World; verdict: End }[] {
  const done: { world: World; verdict: End }[] = []
  let worlds: World[] = [start]
  for (const base of basesOf(host, hook, start.packet.six)) {
    const kept: World[] = []
    for (const entering of worlds) {
      const world = tracked(base, entering)
      if (base.chain.hook.type === 'nat' && (again || !translates(world, hook))) {
        kept.push(world)
        continue
      }
      for (const left of runBase(host, hook, base, world)) {
        if (left.verdict === 'accept') kept.push(left.world)
        else done.push(left)
      }
    }
    worlds = kept
  }
  for (const world of worlds) done.push({ world: { ...world, packet: { ...world.packet, connection: world.tracked } }, verdict: 'accept' })
  return done
}

/** Connection tracking comes between base chains of low priority and the others. */
function tracked(base: Base, world: World): World {
  if (world.packet.connection !== undefined || base.chain.hook.priority <= connectionTracking) return world
  return { ...world, packet: { ...world.packet, connection: world.tracked } }
}

/** nat chains see first packets only, and none after one of them has decided. */
function translates({ packet: { connection } }: World, hook: HookName): boolean {
  if (connection?.state !== 'new') return false
  return !(hook === 'prerouting' || hook === 'output' ? connection.translated.destination : connection.translated.source)
}

function basesOf(host: TracedHost, hook: HookName, six: boolean): Base[] {
  const bases: Base[] = []
  for (const table of host.tables) {
    if (table.dormant || (table.family !== 'inet' && table.family !== (six ? 'ip6' : 'ip'))) continue
    for (const chain of table.chains) if (chain.hook?.hook === hook) bases.push({ table, chain: chain as Base['chain'] })
  }
  const runsAt = ({ chain: { hook: own } }: Base): number => (own.type === 'nat' ? natPriority[hook] : own.priority)
  return bases.sort((a, b) => runsAt(a) - runsAt(b) || a.chain.hook.priority - b.chain.hook.priority)
}

function runBase(host: TracedHost, hook: HookName, { table, chain }: Base, world: World): { world: World; verdict: End }[] {
  return walk({ host, hook, table }, chain, world, 0).map(({ world: left, verdict }) => {
    if (verdict !== 'end' && verdict !== 'return') return { world: left, verdict }
    if (chain.hook.policy !== 'drop') return { world: left, verdict: 'accept' }
    const step: TracedStep = { hook, table: `${table.family} ${table.name}`, chain: chain.name, did: ['policy drop'], found: [] }
    return { world: { ...left, path: [...left.path, step] }, verdict: 'drop' }
  })
}

interface Place {
  readonly host: TracedHost
  readonly hook: HookName
  readonly table: HeldTable
}

function walk(place: Place, chain: HeldChain, start: World, depth: number): Left[] {
  const done: Left[] = []
  let active: World[] = [start]
  for (const rule of chain.rules) {
    const remaining: World[] = []
    for (const world of active) {
      for (const { world: after, verdict } of evaluated(place, chain, rule, world)) {
        const next = verdict === undefined ? undefined : follow(place, verdict, after, depth)
        if (next === undefined) remaining.push(after)
        else {
          for (const left of next) {
            if (left.verdict === 'end') remaining.push(left.world)
            else done.push(left)
          }
        }
      }
    }
    active = remaining
  }
  return [...done.map(endReturn), ...active.map((world): Left => ({ world, verdict: 'end' }))]
}

/** Returning from a chain is reaching its end. */
const endReturn = (left: Left): Left => (left.verdict === 'return' ? { world: left.world, verdict: 'end' } : left)

function evaluated(
  place: Place,
  chain: HeldChain,
  rule: HeldRule,
  world: World,
): { world: World; verdict: Verdict | 'reject' | undefined }[] {
  const { table, hook, host } = place
  return evaluateRule({ table, hook, isLocal: host.isLocal }, rule, world).map(({ world: after, verdict, did, found, whole }) => {
    if (!whole) return { world: after, verdict: undefined }
    const step: TracedStep = {
      hook,
      table: `${table.family} ${table.name}`,
      chain: chain.name,
      handle: rule.handle,
      ...(rule.comment === undefined ? {} : { comment: rule.comment }),
      did,
      found,
    }
    // A rule that matched and did nothing but count is no step on the way.
    return { world: did.length === 0 ? after : { ...after, path: [...after.path, step] }, verdict }
  })
}

/** Undefined where the next rule follows. */
function follow(place: Place, verdict: Verdict | 'reject', world: World, depth: number): Left[] | undefined {
  if (typeof verdict === 'object') {
    const name = 'jump' in verdict ? verdict.jump : verdict.goto
    const chain = place.table.chains.find((each) => each.name === name)
    if (chain === undefined || depth === depthAtMost) return undefined
    const left = walk(place, chain, world, depth + 1)
    // At its end a chain that was gone to does not come back to this one, but to the one that this one was called from.
    return 'jump' in verdict ? left : left.map((each) => (each.verdict === 'end' ? { ...each, verdict: 'return' } : each))
  }
  switch (verdict) {
    case 'accept':
    case 'drop':
    case 'reject':
    case 'return':
      return [{ world, verdict }]
    case 'queue':
      return [{ world: { ...world, notUnderstood: [...world.notUnderstood, 'queue to a program'] }, verdict: 'accept' }]
    case 'continue':
    case 'break':
      return undefined
  }
}
