import type { Libc } from '../../host/libc.ts'
import { type Message, messagesIn } from '../netlink/message.ts'
import { openNetfilterSocket } from '../netlink/socket.ts'
import { readVerdict } from './data-codec.ts'
import type { Verdict } from './expressions.ts'
import { familyOf } from './held.ts'
import * as numbers from './numbers.ts'
import type { AnyFamily } from './ruleset.ts'
import { numberIn, textOf } from './values.ts'

/** One step of a real packet that some rule has set `meta nftrace` on. */
export interface LiveStep {
  /** The same for all steps of one packet through one hook after another. */
  readonly id: number
  readonly family: AnyFamily
  readonly table: string
  readonly chain: string
  readonly what: 'rule' | 'return' | 'policy'
  /** Of a rule: its number in the table, by which `NftKernel.read` has it. */
  readonly handle?: number
  readonly verdict?: Verdict
  readonly mark?: number
  /** What the packet looks like, told with the first step of each hook. */
  readonly packet?: LivePacket
}

export interface LivePacket {
  readonly source: string
  readonly destination: string
  /** `tcp`, `udp`, or the number. */
  readonly protocol: string
  readonly sourcePort?: number
  readonly port?: number
}

const kinds = ['policy', 'return', 'rule'] as const
const portProtocols: readonly string[] = ['tcp', 'udp', 'sctp']

/**
 * Tells every step of packets that are traced in a namespace, until it is stopped. `lost` is called when the kernel had more to tell than
 * was read in time.
 */
export function followTraces(
  libc: Libc,
  options: { namespace?: string | undefined; step: (step: LiveStep) => void; lost: () => void },
): () => void {
  const socket = openNetfilterSocket(libc, { namespace: options.namespace })
  socket.join(numbers.traceGroup)
  const stop = socket.whenReadable(() => {
    for (let datagram = socket.receive(); datagram !== undefined; datagram = socket.receive()) {
      if (datagram === 'lost') {
        options.lost()
        continue
      }
      for (const message of messagesIn(datagram)) {
        const step = liveStep(message)
        if (step !== undefined) options.step(step)
      }
    }
  })
  return () => {
    stop()
    socket.close()
  }
}

/** Undefined for what is no step of a trace. */
export function liveStep(message: Message): LiveStep | undefined {
  const { attributes } = message
  const [id, table, chain] = [attributes.u32(numbers.trace.id), attributes.text(numbers.trace.table), attributes.text(numbers.trace.chain)]
  const [family, what] = [familyOf(message), kinds[(attributes.u32(numbers.trace.type) ?? 0) - 1]]
  if (message.type !== ((numbers.subsystem << 8) | numbers.msg.trace) || family === undefined) return undefined
  if (id === undefined || table === undefined || chain === undefined || what === undefined) return undefined
  const handle = attributes.u64(numbers.trace.handle)
  const verdict = readVerdict(attributes, numbers.trace.verdict) ?? policyOf(attributes.u32(numbers.trace.policy))
  const mark = attributes.u32(numbers.trace.mark)
  const packet = livePacket(attributes.payload(numbers.trace.network), attributes.payload(numbers.trace.transport))
  return {
    id,
    family,
    table,
    chain,
    what,
    ...(handle === undefined ? {} : { handle }),
    ...(verdict === undefined ? {} : { verdict }),
    ...(mark === undefined ? {} : { mark }),
    ...(packet === undefined ? {} : { packet }),
  }
}

const policyOf = (code: number | undefined): Verdict | undefined => (code === undefined ? undefined : code === 0 ? 'drop' : 'accept')

function livePacket(network: Buffer | undefined, transport: Buffer | undefined): LivePacket | undefined {
  const version = (network?.[0] ?? 0) >> 4
  if (network === undefined || (version === 4 ? network.length < 20 : version !== 6 || network.length < 40)) return undefined
  const cut = (from: number, to: number): string => network.toString('latin1', from, to)
  const protocol = textOf('inet_proto', version === 4 ? cut(9, 10) : cut(6, 7))
  const addresses =
    version === 4
      ? { source: textOf('ipv4_addr', cut(12, 16)), destination: textOf('ipv4_addr', cut(16, 20)) }
      : { source: textOf('ipv6_addr', cut(8, 24)), destination: textOf('ipv6_addr', cut(24, 40)) }
  if (transport === undefined || transport.length < 4 || !portProtocols.includes(protocol)) return { ...addresses, protocol }
  const port = (at: number): number => numberIn('inet_service', transport.toString('latin1', at, at + 2))
  return { ...addresses, protocol, sourcePort: port(0), port: port(2) }
}
