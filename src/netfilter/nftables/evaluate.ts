import type { Bytes } from '../netlink/message.ts'
import { hostAndPort } from '../rules.ts'
import { type Expression, type ExpressionOf, type NatRange, type Register, type Verdict, verdictText } from './expressions.ts'
import { type FoundElement, findElement } from './find-element.ts'
import type { HeldRule, HeldTable, HookName } from './ruleset.ts'
import type { SetUpdate, TracedStep } from './traced-outcome.ts'
import { type Connection, type Loaded, loadConnection, loadMeta, loadPayload, storeNumber, type TracedPacket } from './traced-packet.ts'
import { bytesOf, numberIn, textOf } from './values.ts'

/** One possible state of a packet half-way, with its share. */
export interface World {
  readonly probability: number
  readonly packet: TracedPacket
  /** What connection tracking knows as soon as it has seen the packet. */
  readonly tracked: Connection
  readonly masqueraded: boolean
  readonly source?: string
  readonly rejectedWith?: string
  readonly updates: readonly SetUpdate[]
  readonly notUnderstood: readonly string[]
  readonly path: readonly TracedStep[]
}

export interface RulePlace {
  readonly table: HeldTable
  readonly hook: HookName
  isLocal(address: string): boolean
}

/** How a rule ended for one share of the packets. `whole`: all of it matched. */
export interface RuleEnd {
  readonly world: World
  readonly verdict: Verdict | 'reject' | undefined
  readonly whole: boolean
  readonly did: readonly string[]
  readonly found: readonly FoundElement[]
}

/** Sixteen words, each undefined where its content is not known. */
type Registers = readonly (Bytes | undefined)[]
interface State {
  readonly world: World
  readonly registers: Registers
  readonly did: readonly string[]
  readonly found: readonly FoundElement[]
}
/** What an expression comes to: states that go on, or an end. */
type Step = { go: readonly State[] } | { end: Omit<RuleEnd, 'did' | 'found'> & { did?: string; found?: FoundElement } }

/** Runs a rule's expressions over one state of a packet; where chance decides, over each of its outcomes. */
export function evaluateRule(place: RulePlace, rule: HeldRule, world: World): RuleEnd[] {
  const ends: RuleEnd[] = []
  let states: readonly State[] = [{ world, registers: [], did: [], found: [] }]
  for (const expression of rule.expressions) {
    states = states.flatMap((state) => {
      const step = evaluate(place, rule, expression, state)
      if ('go' in step) return step.go
      const { did, found, ...end } = step.end
      ends.push({
        ...end,
        did: did === undefined ? state.did : [...state.did, did],
        found: found === undefined ? state.found : [...state.found, found],
      })
      return []
    })
  }
  for (const { world: after, did, found } of states) ends.push({ world: after, verdict: undefined, whole: true, did, found })
  return ends
}

const mismatch = (state: State): Step => ({ end: { world: state.world, verdict: undefined, whole: false } })
const goOn = (state: State): Step => ({ go: [state] })

function notUnderstood(place: RulePlace, rule: HeldRule, what: string, state: State): Step {
  const text = `rule not understood: ${what} (table ${place.table.family} ${place.table.name}, rule ${rule.handle})`
  return mismatch({ ...state, world: { ...state.world, notUnderstood: [...state.world.notUnderstood, text] } })
}

function evaluate(place: RulePlace, rule: HeldRule, e: Expression, state: State): Step {
  const { packet } = state.world
  const load = (into: Register, value: Loaded, what: string): Step => {
    if (value === 'break') return mismatch(state)
    return value === undefined ? notUnderstood(place, rule, what, state) : goOn(withValue(state, into, value))
  }
  switch (e.name) {
    case 'payload':
      return load(e.into, loadPayload(packet, e), `payload ${e.base} ${e.offset}`)
    case 'meta':
      return 'into' in e ? load(e.into, loadMeta(packet, e.key), `meta ${e.key}`) : storeField(place, rule, e, state)
    case 'ct':
      return 'into' in e ? load(e.into, loadConnection(packet, e), `ct ${e.key}`) : storeField(place, rule, e, state)
    case 'fib':
      return load(e.into, e.result === 'type' ? addressType(place, e, packet) : undefined, `fib ${e.result}`)
    case 'immediate':
      return 'verdict' in e ? endWith(state, e.verdict) : goOn(withValue(state, e.into, e.value))
    case 'cmp':
    case 'range':
      return compared(place, rule, e, state)
    case 'bitwise':
    case 'byteorder':
      return load(e.into, computed(e, valueAt(state, e.from, e.length)), e.name)
    case 'numgen':
    case 'hash':
      return drawn(e.into, e.modulus, e.offset, state)
    case 'lookup':
      return lookedUp(place, rule, e, state)
    case 'dynset':
      return updated(place, rule, e, state)
    case 'nat':
      return translated(place, rule, e, state)
    case 'masq':
      return masqueraded(state)
    case 'redir':
      return redirected(place, rule, e, state)
    case 'reject': {
      const rejectedWith = e.type === 'tcp reset' ? e.type : `${e.type} ${e.code}`
      return { end: { world: { ...state.world, rejectedWith }, verdict: 'reject', whole: true, did: `reject with ${rejectedWith}` } }
    }
    case 'counter':
    case 'objref':
      return goOn(state)
    case 'notrack':
      return goOn({ ...state, world: { ...state.world, ...withConnection(state.world, { ...state.world.tracked, state: 'untracked' }) } })
    case 'unknown':
      // A comment matches everything.
      if (e.what === 'iptables match comment') return goOn(state)
      // iptables-nft writes this one as its own, whatever nft makes of it in a listing; its options choose ports alone.
      if (e.what === 'iptables target MASQUERADE') return masqueraded(state)
      return notUnderstood(place, rule, e.what, state)
  }
}

function endWith({ world }: State, verdict: Verdict): Step {
  return { end: { world, verdict, whole: true, did: verdictText(verdict) } }
}

function accepted(world: World, did: string): Step {
  return { end: { world, verdict: 'accept', whole: true, did } }
}

function masqueraded({ world }: State): Step {
  const connection = { ...world.tracked, translated: { ...world.tracked.translated, source: true } }
  return accepted({ ...world, masqueraded: true, ...withConnection(world, connection) }, 'masquerade')
}

const withConnection = (world: World, tracked: Connection): Pick<World, 'tracked' | 'packet'> => ({
  tracked,
  packet: world.packet.connection === undefined ? world.packet : { ...world.packet, connection: tracked },
})

function withValue(state: State, into: Register, value: Bytes): State {
  const registers = [...state.registers]
  for (let at = 0; at < value.length; at += 4) registers[into + at / 4] = value.slice(at, at + 4).padEnd(4, '\0')
  return { ...state, registers }
}

function valueAt({ registers }: State, from: Register, length: number): Bytes | undefined {
  let value = ''
  for (let at = 0; at < length; at += 4) {
    const word = registers[from + at / 4]
    if (word === undefined) return undefined
    value += word
  }
  return value.slice(0, length)
}

function storeField(place: RulePlace, rule: HeldRule, e: { name: 'meta' | 'ct'; key: string; from: Register }, state: State): Step {
  // The kernel's own tracing changes nothing on the way.
  if (e.key === 'nftrace') return goOn(state)
  const value = valueAt(state, e.from, 4)
  const field = `${e.name} ${e.key}`
  if ((field !== 'meta mark' && field !== 'meta priority' && field !== 'ct mark') || value === undefined)
    return notUnderstood(place, rule, `${e.name} ${e.key} set`, state)
  const packet = storeNumber(state.world.packet, field, value)
  const world = { ...state.world, packet, tracked: packet.connection ?? state.world.tracked }
  return goOn({ ...state, world, did: [...state.did, `${field} set to ${textOf('mark', value)}`] })
}

function addressType(place: RulePlace, { flags }: ExpressionOf<'fib'>, packet: TracedPacket): Loaded {
  const address = flags.includes('saddr') ? packet.source : packet.destination
  if (place.isLocal(address)) return bytesOf('fib_addrtype', 'local')
  const first = packet.six ? bytesOf('ipv6_addr', address).charCodeAt(0) : bytesOf('ipv4_addr', address).charCodeAt(0)
  const multicast = packet.six ? first === 0xff : first >= 224 && first < 240
  return bytesOf('fib_addrtype', multicast ? 'multicast' : address === '255.255.255.255' ? 'broadcast' : 'unicast')
}

function compared(place: RulePlace, rule: HeldRule, e: ExpressionOf<'cmp'> | ExpressionOf<'range'>, state: State): Step {
  const value = valueAt(state, e.register, e.name === 'cmp' ? e.value.length : e.low.length)
  if (value === undefined) return notUnderstood(place, rule, 'a comparison of something not known', state)
  return (e.name === 'cmp' ? holds(value, e.op, e.value) : (value >= e.low && value <= e.high) === (e.op === '=='))
    ? goOn(state)
    : mismatch(state)
}

function holds(value: Bytes, op: ExpressionOf<'cmp'>['op'], other: Bytes): boolean {
  switch (op) {
    case '==':
      return value === other
    case '!=':
      return value !== other
    case '<':
      return value < other
    case '<=':
      return value <= other
    case '>':
      return value > other
    case '>=':
      return value >= other
  }
}

function computed(e: ExpressionOf<'bitwise'> | ExpressionOf<'byteorder'>, value: Bytes | undefined): Bytes | undefined {
  if (value === undefined) return undefined
  if (e.name === 'byteorder') {
    let swapped = ''
    for (let at = 0; at < value.length; at += e.size) swapped += [...value.slice(at, at + e.size)].reverse().join('')
    return swapped
  }
  if ('mask' in e) {
    const byte = (at: number): number => (value.charCodeAt(at) & e.mask.charCodeAt(at)) ^ e.xor.charCodeAt(at)
    return Array.from({ length: e.length }, (_, at) => String.fromCharCode(byte(at))).join('')
  }
  if (e.length !== 4) return undefined
  const number = numberIn('mark', value)
  return bytesOf('mark', (e.shift === 'left' ? number << e.by : number >>> e.by) >>> 0)
}

/** Every outcome of a draw with its share. A hash chooses always the same for one client; over all clients its shares are these too. */
function drawn(into: Register, modulus: number, offset: number, state: State): Step {
  const probability = state.world.probability / modulus
  return {
    go: Array.from({ length: modulus }, (_, index) =>
      withValue({ ...state, world: { ...state.world, probability } }, into, bytesOf('mark', (index + offset) >>> 0)),
    ),
  }
}

function lookedUp(place: RulePlace, rule: HeldRule, e: ExpressionOf<'lookup'>, state: State): Step {
  const set = place.table.sets.find(({ name }) => name === e.set)
  const key = set === undefined ? undefined : valueAt(state, e.from, set.keyLength)
  const found = set === undefined || key === undefined ? undefined : findElement(set, key)
  if (set === undefined || key === undefined || found === 'not understood') return notUnderstood(place, rule, `lookup in ${e.set}`, state)
  if (e.into === undefined) {
    if ((found !== undefined) !== (e.not !== true)) return mismatch(state)
    return goOn(found === undefined ? state : { ...state, found: [...state.found, found] })
  }
  if (found === undefined) return mismatch(state)
  if (e.into === 'verdict') {
    const verdict = found.element.verdict ?? 'continue'
    return { end: { world: state.world, verdict, whole: true, did: verdictText(verdict), found } }
  }
  return goOn({ ...withValue(state, e.into, found.element.data ?? ''), found: [...state.found, found] })
}

function updated(place: RulePlace, rule: HeldRule, e: ExpressionOf<'dynset'>, state: State): Step {
  const set = place.table.sets.find(({ name }) => name === e.set)
  const key = set === undefined ? undefined : valueAt(state, e.key, set.keyLength)
  if (set === undefined || key === undefined) return notUnderstood(place, rule, `${e.op} @${e.set}`, state)
  const data = e.data === undefined ? undefined : valueAt(state, e.data, set.dataLength)
  const update: SetUpdate = {
    table: `${place.table.family} ${place.table.name}`,
    set: e.set,
    op: e.op,
    key,
    ...(data === undefined ? {} : { data }),
    ...(e.timeoutMs === undefined ? {} : { timeoutMs: e.timeoutMs }),
  }
  return goOn({ ...state, world: { ...state.world, updates: [...state.world.updates, update] }, did: [...state.did, `${e.op} @${e.set}`] })
}

function translated(place: RulePlace, rule: HeldRule, e: ExpressionOf<'nat'>, state: State): Step {
  const { world } = state
  if ((e.family === 'ip6') !== world.packet.six) return mismatch(state)
  const type = world.packet.six ? 'ipv6_addr' : 'ipv4_addr'
  const read = (range: NatRange | undefined, of: 'ipv4_addr' | 'ipv6_addr' | 'inet_service'): string | undefined => {
    const value = range === undefined ? undefined : valueAt(state, range.from, of === 'ipv6_addr' ? 16 : of === 'ipv4_addr' ? 4 : 2)
    return value === undefined ? undefined : textOf(of, value)
  }
  const address = read(e.address, type)
  const port = read(e.port, 'inet_service')
  if (e.address?.to !== undefined || e.port?.to !== undefined || (address === undefined && port === undefined)) {
    return notUnderstood(place, rule, `${e.type} to a range`, state)
  }
  if (e.type === 'snat') {
    const connection = { ...world.tracked, translated: { ...world.tracked.translated, source: true } }
    const to = { ...world, ...withConnection(world, connection), ...(address === undefined ? {} : { source: address }), masqueraded: true }
    return accepted(to, `snat to ${address ?? `port ${port}`}`)
  }
  return sentTo(state, address ?? world.packet.destination, port === undefined ? world.packet.port : Number(port), 'dnat')
}

function redirected(place: RulePlace, rule: HeldRule, e: ExpressionOf<'redir'>, state: State): Step {
  const { packet } = state.world
  const port = e.port === undefined ? packet.port : numberIn('inet_service', valueAt(state, e.port.from, 2) ?? '')
  // From the host itself the loopback address, else the first of the interface that the packet came by, which is not known here.
  if (place.hook === 'output') return sentTo(state, packet.six ? '::1' : '127.0.0.1', port, 'redirect')
  if (place.isLocal(packet.destination)) return sentTo(state, packet.destination, port, 'redirect')
  return notUnderstood(place, rule, 'redirect to an address of the interface', state)
}

function sentTo(state: State, destination: string, port: number, word: string): Step {
  const { world } = state
  const connection = { ...world.tracked, translated: { ...world.tracked.translated, destination: true } }
  const packet = { ...world.packet, destination, port, connection }
  return accepted({ ...world, tracked: connection, packet }, `${word} to ${hostAndPort(destination, port)}`)
}
