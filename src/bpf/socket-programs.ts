import type { HookName } from './bpf-kinds.ts'
import {
  alter,
  atomicAdd,
  call,
  exit,
  type Instruction,
  jump,
  jumpIf,
  label,
  load,
  loadMap,
  move,
  move32,
  type Register,
  store,
  type Width,
} from './instructions.ts'
import {
  clientAt,
  clientKeyAt,
  clientKinds,
  connectionAt,
  endpointKeyAt,
  flowAt,
  flowKeyAt,
  frontendAt,
  frontendKeyAt,
  type MapName,
  memberKeyAt,
  placeAt,
  protocolNumbers,
} from './socket-maps.ts'

/** struct bpf_sock_addr: the address that a process gave to, or is about to get from, the system call. */
const context = { ip4: 4, ip6: 8, port: 24, protocol: 36, socket: 64 } as const

/** Where things lie on the stack, beneath its end: each as long as the map's key or value asks for. */
const stack = {
  frontendKey: -24,
  endpointKey: -32,
  clientKey: -48,
  /** The endpoint that is taken. */
  chosen: -72,
  memberKey: -96,
  client: -128,
  flowKey: -160,
  flow: -184,
} as const

/** A UDP socket that sends to a frontend stays with its endpoint until it has been silent for this long, as conntrack would have it. */
const socketStaysSeconds = 120

export interface ProgramOptions {
  /**
   * Whether connect() of a UDP socket is translated. Such a socket sends on to its endpoint whatever becomes of it, so this takes someone
   * who ends the sockets of endpoints that are gone; else netfilter does the translation, and its flows can be made to forget.
   */
  readonly connectedUdp: boolean
}

/** All programs. They answer 1, "go on", whatever happens: what they don't know reaches netfilter as it is. */
export function socketPrograms(options: ProgramOptions): Readonly<Record<HookName, readonly Instruction[]>> {
  return {
    connect4: toEndpoint(4, 'connect', options),
    connect6: toEndpoint(6, 'connect', options),
    sendmsg4: toEndpoint(4, 'sendmsg', options),
    sendmsg6: toEndpoint(6, 'sendmsg', options),
    recvmsg4: toFrontend(4, 'recvmsg'),
    recvmsg6: toFrontend(6, 'recvmsg'),
    getpeername4: toFrontend(4, 'getpeername'),
    getpeername6: toFrontend(6, 'getpeername'),
  }
}

type Family = 4 | 6

const lookup = (map: MapName, key: number): Instruction[] => [
  loadMap('r1', map),
  move('r2', 'fp'),
  alter('r2', '+=', key),
  call('map_lookup_elem'),
]

const update = (map: MapName, key: number, value: number): Instruction[] => [
  loadMap('r1', map),
  move('r2', 'fp'),
  alter('r2', '+=', key),
  move('r3', 'fp'),
  alter('r3', '+=', value),
  move('r4', 0),
  call('map_update_elem'),
]

/** By way of r1, in the widest steps that both places are aligned to. */
function copy(from: Register, fromOffset: number, to: Register, toOffset: number, bytes: number): Instruction[] {
  const program: Instruction[] = []
  for (let done = 0; done < bytes; ) {
    const width = ([8, 4, 2, 1] as Width[]).find(
      (each) => each <= bytes - done && (fromOffset + done) % each === 0 && (toOffset + done) % each === 0,
    ) as Width
    program.push(load(width, 'r1', from, fromOffset + done), store(width, to, toOffset + done, 'r1'))
    done += width
  }
  return program
}

const placeBytes = placeAt.port + 2
const copyPlace = (from: Register, fromOffset: number, to: Register, toOffset: number): Instruction[] =>
  copy(from, fromOffset, to, toOffset, placeBytes)

/** The address in the system call, as a place on the stack. */
function readPlace(family: Family, at: number): Instruction[] {
  const address: Instruction[] =
    family === 6
      ? [0, 4, 8, 12].flatMap((word) => copy('r6', context.ip6 + word, 'fp', at + word, 4))
      : [store(8, 'fp', at, 0), store(4, 'fp', at + 8, -0x10000), ...copy('r6', context.ip4, 'fp', at + 12, 4)] // 00 00 ff ff
  return [...address, load(4, 'r1', 'r6', context.port), store(2, 'fp', at + placeAt.port, 'r1')]
}

/** The other way round. */
function writePlace(family: Family, base: Register, at: number): Instruction[] {
  const address =
    family === 6
      ? [0, 4, 8, 12].flatMap((word) => copy(base, at + word, 'r6', context.ip6 + word, 4))
      : copy(base, at + 12, 'r6', context.ip4, 4)
  return [...address, load(2, 'r1', base, at + placeAt.port), store(4, 'r6', context.port, 'r1')]
}

const leave: Instruction[] = [label('untouched'), move('r0', 1), exit]

/** connect() and sendmsg(): r6 the context, r7 the frontend, r8 how many seconds the client stays (0: not at all). */
function toEndpoint(family: Family, moment: 'connect' | 'sendmsg', { connectedUdp }: ProgramOptions): Instruction[] {
  return [
    move('r6', 'r1'),
    ...readPlace(family, stack.frontendKey),
    store(2, 'fp', stack.frontendKey + frontendKeyAt.protocol, 0),
    load(4, 'r1', 'r6', context.protocol),
    jumpIf('r1', '==', protocolNumbers.udp, moment === 'connect' && !connectedUdp ? 'untouched' : 'known'),
    ...(moment === 'connect' ? [jumpIf('r1', '!=', protocolNumbers.tcp, 'untouched')] : [jump('untouched')]),
    label('known'),
    store(1, 'fp', stack.frontendKey + frontendKeyAt.protocol, 'r1'),
    ...lookup('frontends', stack.frontendKey),
    jumpIf('r0', '==', 0, 'untouched'),
    move('r7', 'r0'),
    ...remembered(moment),
    ...anyEndpoint,
    ...(moment === 'sendmsg' ? countOne : []),
    ...remember,
    label('chosen'),
    ...(moment === 'connect' ? countOne : []),
    ...noteFrontend(moment),
    ...writePlace(family, 'fp', stack.chosen),
    ...leave,
  ]
}

/** Goes on to `chosen` if the client was here lately and its endpoint still serves, else to `choose`. */
function remembered(moment: 'connect' | 'sendmsg'): Instruction[] {
  const bySocket: Instruction[] = [
    move('r8', socketStaysSeconds),
    move('r1', 'r6'),
    call('get_socket_cookie'),
    store(4, 'fp', stack.clientKey + clientKeyAt.kind, clientKinds.socket),
    jump('byCookie'),
  ]
  return [
    load(4, 'r8', 'r7', frontendAt.affinitySeconds),
    jumpIf('r8', '!=', 0, 'byNamespace'),
    ...(moment === 'connect' ? [jump('choose')] : bySocket),
    label('byNamespace'),
    move('r1', 'r6'),
    call('get_netns_cookie'),
    store(4, 'fp', stack.clientKey + clientKeyAt.kind, clientKinds.namespace),
    label('byCookie'),
    store(8, 'fp', stack.clientKey + clientKeyAt.cookie, 'r0'),
    load(4, 'r1', 'r7', frontendAt.set),
    store(4, 'fp', stack.clientKey + clientKeyAt.set, 'r1'),
    ...lookup('clients', stack.clientKey),
    jumpIf('r0', '==', 0, 'choose'),
    move('r9', 'r0'),
    call('ktime_get_ns'),
    move('r2', 'r0'),
    load(8, 'r1', 'r9', clientAt.lastUsedNs),
    alter('r2', '-=', 'r1'),
    move('r1', 'r8'),
    alter('r1', '*=', 1_000_000_000),
    jumpIf('r2', '>', 'r1', 'choose'),
    store(8, 'fp', stack.client + clientAt.lastUsedNs, 'r0'),
    // A copy is asked about, for the element may change or be reused meanwhile.
    ...copyPlace('r9', clientAt.place, 'fp', stack.chosen),
    ...copy('fp', stack.chosen, 'fp', stack.memberKey, 18),
    store(2, 'fp', stack.memberKey + 18, 0),
    load(4, 'r1', 'r7', frontendAt.set),
    store(4, 'fp', stack.memberKey + memberKeyAt.set, 'r1'),
    ...lookup('members', stack.memberKey),
    jumpIf('r0', '==', 0, 'choose'),
    load(8, 'r1', 'fp', stack.client + clientAt.lastUsedNs),
    store(8, 'r9', clientAt.lastUsedNs, 'r1'),
    jump('chosen'),
  ]
}

/** Slot number count * random / 2^32: each as likely as the other. */
const anyEndpoint: Instruction[] = [
  label('choose'),
  call('get_prandom_u32'),
  move32('r0', 'r0'),
  load(4, 'r1', 'r7', frontendAt.count),
  alter('r0', '*=', 'r1'),
  alter('r0', '>>=', 32),
  store(4, 'fp', stack.endpointKey + endpointKeyAt.slot, 'r0'),
  load(4, 'r1', 'r7', frontendAt.set),
  store(4, 'fp', stack.endpointKey + endpointKeyAt.set, 'r1'),
  ...lookup('endpoints', stack.endpointKey),
  jumpIf('r0', '==', 0, 'untouched'),
  ...copyPlace('r0', 0, 'fp', stack.chosen),
]

const remember: Instruction[] = [
  jumpIf('r8', '==', 0, 'chosen'),
  call('ktime_get_ns'),
  store(8, 'fp', stack.client + clientAt.lastUsedNs, 'r0'),
  ...copyPlace('fp', stack.chosen, 'fp', stack.client),
  store(2, 'fp', stack.client + 18, 0),
  store(4, 'fp', stack.client + 20, 0),
  ...update('clients', stack.clientKey, stack.client),
]

const countOne: Instruction[] = [
  load(4, 'r1', 'r7', frontendAt.set),
  store(4, 'fp', stack.endpointKey, 'r1'),
  ...lookup('counters', stack.endpointKey),
  jumpIf('r0', '==', 0, 'counted'),
  move('r1', 1),
  atomicAdd('r0', 0, 'r1'),
  label('counted'),
]

/** Keeps what the process asked for, to be shown to it later. An answer of UDP must come from there: without that, no translation. */
function noteFrontend(moment: 'connect' | 'sendmsg'): Instruction[] {
  const tcp: Instruction[] = [
    load(4, 'r1', 'r6', context.protocol),
    jumpIf('r1', '==', protocolNumbers.udp, 'datagrams'),
    loadMap('r1', 'connections'),
    load(8, 'r2', 'r6', context.socket),
    move('r3', 0),
    move('r4', 1), // made if there is none
    call('sk_storage_get'),
    jumpIf('r0', '==', 0, 'noted'),
    move('r9', 'r0'),
    ...copyPlace('fp', stack.frontendKey, 'r9', connectionAt.frontend),
    ...copyPlace('fp', stack.chosen, 'r9', connectionAt.endpoint),
    jump('noted'),
    label('datagrams'),
  ]
  return [
    ...(moment === 'connect' ? tcp : []),
    move('r1', 'r6'),
    call('get_socket_cookie'),
    store(8, 'fp', stack.flowKey + flowKeyAt.cookie, 'r0'),
    ...copyPlace('fp', stack.chosen, 'fp', stack.flowKey + flowKeyAt.place),
    store(2, 'fp', stack.flowKey + flowKeyAt.place + 18, 0),
    store(4, 'fp', stack.flowKey + flowKeyAt.place + 20, 0),
    ...copyPlace('fp', stack.frontendKey, 'fp', stack.flow + flowAt.frontend),
    store(2, 'fp', stack.flow + 18, 0),
    load(4, 'r1', 'r7', frontendAt.set),
    store(4, 'fp', stack.flow + flowAt.set, 'r1'),
    ...update('flows', stack.flowKey, stack.flow),
    jumpIf('r0', '!=', 0, 'untouched'),
    label('noted'),
  ]
}

/** recvmsg() and getpeername(): what came from an endpoint shows the frontend that the process had asked for. */
function toFrontend(family: Family, moment: 'recvmsg' | 'getpeername'): Instruction[] {
  const peer = stack.flowKey + flowKeyAt.place
  const tcp: Instruction[] = [
    load(4, 'r1', 'r6', context.protocol),
    jumpIf('r1', '!=', protocolNumbers.tcp, 'datagrams'),
    loadMap('r1', 'connections'),
    load(8, 'r2', 'r6', context.socket),
    move('r3', 0),
    move('r4', 0),
    call('sk_storage_get'),
    jumpIf('r0', '==', 0, 'untouched'),
    // The socket may have been connected anew since, to elsewhere.
    ...placeSteps.flatMap(({ offset, width }) => [
      load(width, 'r1', 'r0', connectionAt.endpoint + offset),
      load(width, 'r2', 'fp', peer + offset),
      jumpIf('r1', '!=', 'r2', 'untouched'),
    ]),
    jump('found'),
    label('datagrams'),
  ]
  return [
    move('r6', 'r1'),
    ...readPlace(family, peer),
    store(2, 'fp', peer + 18, 0),
    store(4, 'fp', peer + 20, 0),
    ...(moment === 'getpeername' ? tcp : []),
    move('r1', 'r6'),
    call('get_socket_cookie'),
    store(8, 'fp', stack.flowKey + flowKeyAt.cookie, 'r0'),
    ...lookup('flows', stack.flowKey),
    jumpIf('r0', '==', 0, 'untouched'),
    label('found'),
    ...writePlace(family, 'r0', flowAt.frontend),
    ...leave,
  ]
}

/** How a place is compared: its address, then its port. */
const placeSteps: readonly { offset: number; width: Width }[] = [
  { offset: 0, width: 8 },
  { offset: 8, width: 8 },
  { offset: placeAt.port, width: 2 },
]
