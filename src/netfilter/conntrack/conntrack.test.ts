import { describe, expect, test } from 'vitest'
import { systemClock } from '../../host/clock.ts'
import { FakeKernel } from '../fake-kernel.ts'
import { MessageWriter, messageFlags, messagesIn, messageTypes } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import type { Flow } from './conntrack.ts'
import { flowIn, messages, subsystem } from './flow-messages.ts'
import { netlinkConntrack } from './netlink-conntrack.ts'
import { FlowReader, programConntrack } from './program-conntrack.ts'
import { type NewFlow, writeFlow } from './testing/flows.ts'

const uncounted = { packets: undefined, bytes: undefined }

describe('what the program prints', () => {
  const lines = [
    'udp      17 29 src=10.0.0.9 dst=10.96.0.1 sport=4 dport=53 src=10.0.0.1 dst=10.0.0.9 sport=5353 dport=4 [ASSURED] mark=0 use=1',
    'udp      17 29 src=10.0.0.9 dst=10.96.0.1 sport=5 dport=53 [UNREPLIED] src=10.0.0.1 dst=10.0.0.9 sport=5353 dport=5 mark=0 use=1',
    'icmp     1 29 src=10.0.0.9 dst=10.96.0.1 type=8 code=0 id=1 src=10.0.0.1 dst=10.0.0.9 type=0 code=0 id=1 mark=0 use=1',
    'sctp     132 8 CLOSED src=fd00::9 dst=fd96::1 sport=7 dport=80 packets=1 bytes=60 [UNREPLIED] src=fd00::1 dst=fd00::9 sport=3868 dport=7 packets=0 bytes=0 mark=0 use=1',
  ]
  test('is read as it comes, in pieces of any length', () => {
    const flows: Flow[] = []
    const reader = new FlowReader((flow) => flows.push(flow))
    for (const piece of lines.join('\n').match(/[\s\S]{1,7}/g) as string[]) reader.push(piece)
    reader.end()
    const dns = { protocol: 'udp', address: '10.96.0.1', port: 53, replyAddress: '10.0.0.1', replyPort: 5353, ...uncounted }
    const call = { protocol: 'sctp', address: 'fd96::1', port: 80, replyAddress: 'fd00::1', replyPort: 3868, packets: 1, bytes: 60 }
    expect(flows).toEqual([dns, dns, call])
  })

  test('of flows that are gone already is no error', async () => {
    const kernel = new FakeKernel({ addresses: [] })
    kernel.flows = [{ source: '10.0.0.9', destination: '10.96.0.1', port: 53, replySource: '10.0.0.1', replyPort: 53 }]
    const forgotten = programConntrack({
      run: (program, args, options) => {
        if (args[0] === '-D') kernel.flows = []
        return kernel.run(program, args, options)
      },
    }).forget({ family: 'IPv4', protocol: 'udp' }, () => true)
    expect(await forgotten).toBe(0)
  })
})

/** A socket whose other end holds flows. */
class FakeSocket implements NetlinkSocket {
  readonly portId = 1
  readonly #flows: Map<number, NewFlow>
  readonly #answers: Buffer[] = []
  readonly #log: string[]

  constructor(flows: Map<number, NewFlow>, log: string[]) {
    this.#flows = flows
    this.#log = log
  }

  send(bytes: Uint8Array): void {
    for (const message of messagesIn(Buffer.from(bytes))) {
      if (message.type === ((subsystem << 8) | messages.get)) this.#dump(message.sequence, message.family === 2)
      else this.#delete(message.sequence, message.attributes.u32(12) ?? 0)
    }
  }

  #dump(sequence: number, isFour: boolean): void {
    for (const [id, flow] of this.#flows) {
      if (flow.source.includes(':') === isFour) continue
      const writer = new MessageWriter()
      writeFlow(flow, { type: messages.create, flags: messageFlags.multi, sequence, id }, writer)
      this.#answers.push(Buffer.from(writer.bytes))
    }
    this.#answer(messageTypes.done, sequence, 0)
  }

  #delete(sequence: number, id: number): void {
    this.#log.push(`delete ${id}`)
    this.#answer(messageTypes.error, sequence, this.#flows.delete(id) ? 0 : -2)
  }

  #answer(type: number, sequence: number, errno: number): void {
    const answer = Buffer.alloc(36)
    answer.writeUInt32LE(36, 0)
    answer.writeUInt16LE(type, 4)
    answer.writeUInt32LE(sequence, 8)
    answer.writeInt32LE(errno, 16)
    this.#answers.push(answer)
  }

  receive(): Buffer | undefined {
    const next = this.#answers.shift()
    if (next) this.#log.push('part')
    return next
  }

  join(): void {}
  leave(): void {}
  ignorePortId(): void {}
  whenReadable(): () => void {
    return () => undefined
  }
  close(): void {
    this.#log.push('close')
  }
}

describe('over netlink', () => {
  const dns: NewFlow = {
    protocol: 'udp',
    source: '10.0.0.9',
    sourcePort: 4,
    address: '10.96.0.1',
    port: 53,
    replyAddress: '10.0.0.1',
    replyPort: 5353,
  }
  const six: NewFlow = { ...dns, source: 'fd00::9', address: 'fd96::1', replyAddress: 'fd00::1' }
  const flows = new Map<number, NewFlow>([
    [1, dns],
    [2, { ...dns, sourcePort: 5, replyAddress: '10.0.0.2' }],
    [3, { ...dns, protocol: 'sctp', counted: [3, 180] }],
    [4, six],
  ])
  const seen = ({ source: _source, sourcePort: _port, counted, ...flow }: NewFlow): Flow => ({
    ...flow,
    ...(counted ? { packets: counted[0], bytes: counted[1] } : uncounted),
  })

  test('flows are shown by family and protocol', async () => {
    const conntrack = netlinkConntrack(() => new FakeSocket(flows, []), systemClock)
    const shown = async (query: Parameters<typeof conntrack.look>[0]): Promise<Flow[]> => {
      const found: Flow[] = []
      await conntrack.look(query, (flow) => found.push(flow))
      return found
    }
    expect(await shown({ family: 'IPv4', protocol: 'udp' })).toEqual([1, 2].map((id) => seen(flows.get(id) as NewFlow)))
    expect(await shown({ family: 'IPv4', protocol: 'sctp' })).toEqual([seen(flows.get(3) as NewFlow)])
    expect(await shown({ family: 'IPv6' })).toEqual([seen(six)])
    expect(await shown({ family: 'IPv4', protocol: 'udp', to: { address: '10.96.0.2', port: 53 } })).toEqual([])
    expect(await shown({ family: 'IPv4', translated: true })).toEqual([])
  })

  test('stale ones go by their number, one gone by itself is no error, and sockets are closed', async () => {
    const log: string[] = []
    const left = new Map(flows)
    const conntrack = netlinkConntrack(() => new FakeSocket(left, log), systemClock)
    const forgotten = await conntrack.forget({ family: 'IPv4', protocol: 'udp' }, (flow) => {
      if (flow.replyAddress === '10.0.0.2') left.delete(2)
      return true
    })
    expect(forgotten).toBe(1)
    expect([...left.keys()]).toEqual([3, 4])
    expect(log.filter((each) => each !== 'part')).toEqual(['close', 'delete 1', 'delete 2', 'close'])
  })

  test('what is cut short is no flow', () => {
    const writer = new MessageWriter()
    writeFlow(dns, { type: messages.create, flags: 0, sequence: 1, id: 1 }, writer)
    const bytes = Buffer.from(writer.bytes)
    for (let length = 20; length < bytes.length; length++) {
      const cut = Buffer.from(bytes.subarray(0, length))
      cut.writeUInt32LE(length, 0)
      for (const message of messagesIn(cut)) expect(() => flowIn(message, { family: 'IPv4' })).not.toThrow()
    }
  })
})
