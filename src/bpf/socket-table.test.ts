import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planSlots } from './endpoint-set.ts'
import { addressBytes, type MapName, placeBytes, wordIn } from './socket-maps.ts'
import { type BalancedPort, type ElementChange, SocketTable } from './socket-table.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The maps as the kernel would have them. Looks after each change that no frontend counts a slot that is not there. */
class Maps {
  readonly maps = new Map<MapName, Map<string, Uint8Array>>()

  apply(changes: readonly ElementChange[]): void {
    for (const { map, key, value } of changes) {
      const elements = this.of(map)
      if (value) elements.set(hex(key), value)
      else elements.delete(hex(key))
      this.check()
    }
  }

  of(map: MapName): Map<string, Uint8Array> {
    const elements = this.maps.get(map) ?? new Map<string, Uint8Array>()
    this.maps.set(map, elements)
    return elements
  }

  endpointsOf(value: Uint8Array): string[] {
    const [set, count] = [wordIn(value, 0), wordIn(value, 4)]
    return Array.from({ length: count }, (_, slot) => {
      const endpoint = this.of('endpoints').get(hex(new Uint8Array(Uint32Array.of(set, slot).buffer)))
      if (!endpoint) throw new Error(`set ${set} has no slot ${slot} of ${count}`)
      return hex(endpoint)
    })
  }

  check(): void {
    for (const value of this.of('frontends').values()) this.endpointsOf(value)
  }

  /** Where each frontend leads to. */
  frontends(): Record<string, string[]> {
    return Object.fromEntries([...this.of('frontends')].map(([key, value]) => [key, this.endpointsOf(value).sort()]).sort())
  }

  found() {
    const read = (map: MapName) => [...this.of(map)].map(([key, value]) => ({ key: new Uint8Array(Buffer.from(key, 'hex')), value }))
    return { frontends: read('frontends'), endpoints: read('endpoints'), members: read('members'), counters: read('counters') }
  }

  sizes(): Partial<Record<MapName, number>> {
    return Object.fromEntries([...this.maps].map(([name, elements]) => [name, elements.size]))
  }
}

const place = (host: number, port = 8080) => ({ address: `10.244.0.${host}`, port })
const web = (hosts: readonly number[], more: Partial<BalancedPort> = {}): BalancedPort => ({
  name: 'http',
  protocol: 'tcp',
  frontends: [{ address: '10.96.0.10', port: 80 }],
  endpoints: hosts.map((host) => place(host)),
  affinitySeconds: undefined,
  ...more,
})

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '00000000000000000000ffff0a000001'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['fd00::1', 'fd000000000000000000000000000001'],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001'],
    ['::', '00000000000000000000000000000000'],
  ])('%s', (address, expected) => {
    expect(hex(addressBytes(address))).toBe(expected)
  })

  test('a name is none', () => {
    expect(() => addressBytes('localhost')).toThrow('localhost is no IP address')
  })
})

describe('planSlots', () => {
  test('a new endpoint takes the slot of one that went', () => {
    expect(planSlots(['a', 'b', 'c'], new Set(['a', 'x', 'c']))).toEqual({
      slots: ['a', 'x', 'c'],
      writes: [{ slot: 1, endpoint: 'x' }],
      surplus: [],
    })
  })

  test('the last one moves into a gap', () => {
    expect(planSlots(['a', 'b', 'c'], new Set(['c', 'b']))).toEqual({
      slots: ['c', 'b'],
      writes: [{ slot: 0, endpoint: 'c' }],
      surplus: [2],
    })
  })

  test('one that is there twice counts once', () => {
    expect(planSlots(['a', 'd', 'c', 'd'], new Set(['a', 'd', 'c', 'x'])).slots.sort()).toEqual(['a', 'c', 'd', 'x'])
  })

  test('any change leaves just what is wanted, and writes no more than what came or went', () => {
    const names = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 8 })
    fc.assert(
      fc.property(names, names, (before, wanted) => {
        const { slots, writes } = planSlots(before, new Set(wanted))
        expect([...slots].sort()).toEqual([...wanted].sort())
        const came = wanted.filter((name) => !before.includes(name)).length
        const went = before.filter((name) => !wanted.includes(name)).length
        expect(writes.length).toBeLessThanOrEqual(Math.max(came, went))
      }),
    )
  })
})

describe('SocketTable', () => {
  test('one endpoint replaced is one element', () => {
    const table = new SocketTable()
    table.update('default/web', [web([1, 2, 3])])
    const { elements } = table.update('default/web', [web([1, 4, 3])])
    expect(elements).toEqual([{ map: 'endpoints', key: new Uint8Array(Uint32Array.of(1, 1).buffer), value: placeBytes(place(4)) }])
  })

  test('without endpoints there is no frontend; slots go with a later change', () => {
    const [table, maps] = [new SocketTable(), new Maps()]
    maps.apply(table.update('default/web', [web([1, 2])]).elements)
    maps.apply(table.update('default/web', [web([])]).elements)
    expect(maps.sizes()).toEqual({ frontends: 0, endpoints: 2, counters: 1 })
    maps.apply(table.update('default/web', []).elements)
    expect(maps.sizes()).toEqual({ frontends: 0, endpoints: 0, counters: 0 })
  })

  test('the first of two Services with the same address has it; the second when the first is gone', () => {
    const [table, maps] = [new SocketTable(), new Maps()]
    maps.apply(table.update('default/one', [web([1])]).elements)
    maps.apply(table.update('default/two', [web([2])]).elements)
    expect(Object.values(maps.frontends())).toEqual([[hex(placeBytes(place(1)))]])
    maps.apply(table.update('default/one', []).elements)
    expect(Object.values(maps.frontends())).toEqual([[hex(placeBytes(place(2)))]])
  })

  test('tells which endpoints of UDP serve no more', () => {
    const table = new SocketTable()
    table.update('kube-system/dns', [web([1, 2], { protocol: 'udp' })])
    expect(table.update('kube-system/dns', [web([2, 3], { protocol: 'udp' })]).gone).toEqual([{ set: 1, place: placeBytes(place(1)) }])
    expect(table.update('kube-system/dns', []).gone).toHaveLength(2)
  })

  test('takes over what an earlier one left: unchanged Services cost nothing, others go', () => {
    const [first, maps] = [new SocketTable(), new Maps()]
    maps.apply(first.update('default/web', [web([1, 2, 3], { affinitySeconds: 60 })]).elements)
    maps.apply(first.update('default/old', [web([4], { frontends: [{ address: '10.96.0.11', port: 80 }] })]).elements)
    const second = new SocketTable(maps.found())
    expect(second.update('default/web', [web([3, 1, 2], { affinitySeconds: 60 })]).elements).toEqual([])
    maps.apply(second.forgetOthers().elements)
    maps.apply(second.update('default/web', [web([3, 1, 2], { affinitySeconds: 60 })]).elements)
    expect(maps.sizes()).toEqual({ frontends: 1, endpoints: 3, members: 3, counters: 1 })
  })

  const ports = fc.array(
    fc.record({
      name: fc.constantFrom('a', 'b'),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      frontends: fc.uniqueArray(fc.constantFrom(1, 2, 3, 4), { maxLength: 3 }),
      endpoints: fc.uniqueArray(fc.constantFrom(11, 12, 13, 14, 15), { maxLength: 5 }),
      affinitySeconds: fc.constantFrom(undefined, 60),
    }),
    { maxLength: 2 },
  )
  const history = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.tuple(fc.constantFrom('ns/x', 'ns/y', 'ns/z'), ports) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
    ),
    { maxLength: 25 },
  )

  test('after any history the maps are as after one load; at no moment does a frontend count a slot that is not there', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const maps = new Maps()
        let table = new SocketTable()
        const services = new Map<string, BalancedPort[]>()
        for (const step of steps) {
          if (step === 'restart') {
            table = new SocketTable(maps.found())
            for (const [key, value] of services) maps.apply(table.update(key, value).elements)
            maps.apply(table.forgetOthers().elements)
            continue
          }
          const [key, drawn] = step
          // Each Service with addresses of its own: who is first with a shared one depends on the history.
          const wanted = [...new Map(drawn.map((port) => [port.name + port.protocol, port])).values()].map((port, i) => ({
            ...port,
            name: port.name + port.protocol,
            frontends: port.frontends.map((host) => ({ address: `10.96.${key.charCodeAt(3)}.${host}`, port: 80 + i })),
            endpoints: port.endpoints.map((host) => place(host)),
          }))
          services.set(key, wanted)
          maps.apply(table.update(key, wanted).elements)
        }
        const [fresh, once] = [new SocketTable(), new Maps()]
        for (const [key, value] of services) once.apply(fresh.update(key, value).elements)
        expect(maps.frontends()).toEqual(once.frontends())
        maps.apply(table.forgetOthers().elements)
        expect({ ...maps.sizes(), frontends: 0 }).toEqual({ ...maps.sizes(), ...once.sizes(), frontends: 0 })
      }),
    )
  })
})
