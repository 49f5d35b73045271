import fc from 'fast-check'
import type { CompareOp, Expression, FibFlag, NatFlag, Verdict } from '../expressions.ts'

const register = fc.nat(15)
const u32 = fc.nat(0x7fffffff)
const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,20}$/)
const bytes = (length: number): fc.Arbitrary<string> =>
  fc.array(fc.nat(255), { minLength: length, maxLength: length }).map((codes) => String.fromCharCode(...codes))
const value = fc.constantFrom(1, 2, 4, 8, 16).chain(bytes)
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constantFrom<Verdict[]>('accept', 'drop', 'return', 'continue', 'break', 'queue'),
  fc.record({ jump: name }),
  fc.record({ goto: name }),
)
const natFlags = fc.subarray<NatFlag>(['random', 'persistent', 'fully-random'])
const range = register.map((from) => ({ from }))
const op = fc.constantFrom<CompareOp[]>('==', '!=', '<', '<=', '>', '>=')
const kind = <Name extends Expression['name']>(of: Name): fc.Arbitrary<Name> => fc.constant(of)
const drawn = { modulus: u32, offset: u32, into: register }

/** Every kind of expression that this room writes. */
export const expressionArbitrary: fc.Arbitrary<Expression> = fc.oneof(
  fc.record({
    name: kind('payload'),
    base: fc.constantFrom('link' as const, 'network' as const, 'transport' as const),
    offset: u32,
    length: u32,
    into: register,
  }),
  fc.record({ name: kind('meta'), key: fc.constantFrom('mark', 'l4proto', 'iifname', 'key 77'), into: register }),
  fc.record({ name: kind('meta'), key: fc.constantFrom('mark', 'nftrace'), from: register }),
  fc.record(
    {
      name: kind('ct'),
      key: fc.constantFrom('state', 'mark', 'ip-daddr', 'proto-dst'),
      direction: fc.constantFrom('original' as const, 'reply' as const),
      into: register,
    },
    { requiredKeys: ['name', 'key', 'into'] },
  ),
  fc.record({ name: kind('cmp'), register, op, value }),
  fc.record({ name: kind('range'), register, op: fc.constantFrom('==' as const, '!=' as const), low: value, high: value }),
  fc.record({ name: kind('bitwise'), from: register, into: register, length: u32, mask: value, xor: value }),
  fc.record({
    name: kind('bitwise'),
    from: register,
    into: register,
    length: u32,
    shift: fc.constantFrom('left' as const, 'right' as const),
    by: fc.nat(31),
  }),
  fc.record({
    name: kind('byteorder'),
    from: register,
    into: register,
    to: fc.constantFrom('host' as const, 'network' as const),
    length: u32,
    size: u32,
  }),
  fc.record({ name: kind('immediate'), into: register, value }),
  fc.record({ name: kind('immediate'), verdict }),
  fc.record(
    {
      name: kind('lookup'),
      set: name,
      from: register,
      into: fc.oneof(register, fc.constant('verdict' as const)),
      not: fc.constant(true as const),
    },
    { requiredKeys: ['name', 'set', 'from'] },
  ),
  fc.record(
    {
      name: kind('dynset'),
      op: fc.constantFrom('add' as const, 'update' as const, 'delete' as const),
      set: name,
      key: register,
      data: register,
      timeoutMs: fc.integer({ min: 1, max: 2 ** 40 }),
      each: fc.record({ name: kind('counter'), packets: u32, bytes: u32 }).map((counter) => [counter]),
    },
    { requiredKeys: ['name', 'op', 'set', 'key'] },
  ),
  fc.record({ name: kind('numgen'), mode: fc.constantFrom('random' as const, 'inc' as const), ...drawn }),
  fc.record({ name: kind('hash'), kind: fc.constant('jenkins' as const), from: register, length: u32, seed: u32, ...drawn }),
  fc.record({ name: kind('hash'), kind: fc.constant('symmetric' as const), ...drawn }),
  fc.record({
    name: kind('fib'),
    result: fc.constantFrom('oif' as const, 'oifname' as const, 'type' as const),
    flags: fc.subarray<FibFlag>(['saddr', 'daddr', 'mark', 'iif', 'oif', 'present']),
    into: register,
  }),
  fc.record(
    {
      name: kind('nat'),
      type: fc.constantFrom('dnat' as const, 'snat' as const),
      family: fc.constantFrom('ip' as const, 'ip6' as const),
      address: range,
      port: range,
      flags: natFlags,
    },
    { requiredKeys: ['name', 'type', 'family', 'flags'] },
  ),
  fc.record({ name: kind('masq'), port: range, flags: natFlags }, { requiredKeys: ['name', 'flags'] }),
  fc.record({ name: kind('redir'), port: range, flags: natFlags }, { requiredKeys: ['name', 'flags'] }),
  fc.record({ name: kind('reject'), type: fc.constantFrom('icmp' as const, 'tcp reset' as const, 'icmpx' as const), code: fc.nat(255) }),
  fc.record({ name: kind('counter'), packets: u32, bytes: u32 }),
  fc.record({ name: kind('objref'), type: u32, object: name }),
  fc.record({ name: kind('objref'), set: name, from: register }),
  fc.constant({ name: 'notrack' as const }),
)
