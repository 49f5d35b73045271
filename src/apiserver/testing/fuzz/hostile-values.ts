import { deepCopy, isObject, setKey } from '../../../machinery/equality.ts'
import type { Dice } from './dice.ts'

type Container = Record<string, unknown> | unknown[]

/** Names that mean something to JavaScript, to Go, to patches, or to nobody. */
export const hostileNames: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', 'then', 'length', 'toJSON'],
  ...['', ' ', '.', '..', '/', 'a/b', 'a/b/c', '~', '~1', '-', '*', '\u0000', 'a\u0000b', '\ud800', '\ufeff', 'é', '𝕏', '0', '-1', 'null'],
  ...['$patch', '$retainKeys', '$setElementOrder/containers', '$deleteFromPrimitiveList/finalizers', 'f:spec', 'k:{"name":"a"}', 'v:1'],
  ...['metadata', 'name', 'namespace', 'spec', 'status', 'kind', 'apiVersion', 'items', 'managedFields', 'ownerReferences', 'one'],
]

const hostileTexts: readonly string[] = [
  ...hostileNames,
  ...['1Gi', '100m', '-5', '1e3', '0x10', '1E', '1e999999999', `1${'0'.repeat(400)}`, '0.0000000000000000000001', '.', '+', '1.5.5', 'Ki'],
  ...[
    '10.0.0.1',
    '10.0.0.0/8',
    '10.0.0.1/33',
    '::1',
    '::ffff:10.0.0.1',
    '256.1.1.1',
    '010.0.0.1',
    'fe80::1%eth0',
    '0.0.0.0/0',
    '10.96.0.1',
  ],
  ...['2026-01-01T00:00:00Z', '2026-13-01T00:00:00Z', '0000-00-00', '9999-12-31T23:59:59.999999999Z', '-1', '2026-02-30T00:00:00Z'],
  ...[
    'a'.repeat(64),
    'a'.repeat(254),
    'a'.repeat(5_000),
    'A_B',
    '-a',
    'a-',
    'a..b',
    'Web',
    'x'.repeat(63),
    '%',
    '%00',
    '\\',
    '"',
    "'",
    '`',
  ],
  ...['25%', '-25%', '101%', '80', 'http', '0', '65536', 'TCP', 'Always', 'ClusterIP', 'None', 'True', 'true', 'false'],
  ...[
    'a in (b',
    'a=b,c!=d',
    '(',
    '!',
    '* * * * *',
    '@every 1s',
    '60 * * * *',
    '^(a+)+$',
    '{',
    '[',
    'default',
    'kube-system',
    'v1',
    'apps/v1',
  ],
]

const hostileNumbers: readonly number[] = [
  ...[0, -0, 1, -1, 2, 0.5, -0.5, 80, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 2 ** 63, -(2 ** 63), 2 ** 64],
  ...[1e21, 1e308, 5e-324, 3.9999, 30_000, 32_767],
]

function nested(depth: number, inList: boolean): unknown {
  let value: unknown = 'deep'
  for (let i = 0; i < depth; i++) value = inList ? [value] : { a: value }
  return value
}

export function hostileValue(dice: Dice): unknown {
  switch (dice.below(9)) {
    case 0:
      return null
    case 1:
      return dice.percent(50)
    case 2:
    case 3:
      return dice.one(hostileNumbers)
    case 4:
    case 5:
      return dice.one(hostileTexts)
    case 6:
      return dice.one<() => unknown>([() => [], () => [null], () => [[]], () => ['a', 'a'], () => [{}], () => [1, 'a', null, {}]])()
    case 7:
      return withKey({}, dice.one(hostileNames), dice.one(hostileTexts))
    default:
      return nested(dice.one([2, 5, 50, 600]), dice.percent(50))
  }
}

export function withKey(object: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  setKey(object, key, value)
  return object
}

/** Every list and object within. */
function containersIn(value: unknown): Container[] {
  const found: Container[] = []
  const open: unknown[] = [value]
  while (open.length > 0 && found.length < 2_000) {
    const next = open.pop()
    if (!Array.isArray(next) && !isObject(next)) continue
    found.push(next)
    open.push(...Object.values(next))
  }
  return found
}

/** Changes a copy in so many places. Values move between places too: what is right elsewhere is often the worst. */
export function mutated(value: unknown, changes: number, dice: Dice): unknown {
  const copy = deepCopy(value)
  for (let i = 0; i < changes; i++) {
    const containers = containersIn(copy)
    if (containers.length === 0) return hostileValue(dice)
    const container = dice.one(containers)
    if (Array.isArray(container)) changeList(container, containers, dice)
    else changeObject(container, containers, dice)
  }
  return copy
}

/** Changes a copy in so many places, each to another value of the same type: what a schema lets pass. */
export function bent(value: unknown, changes: number, dice: Dice): unknown {
  const copy = deepCopy(value)
  for (let i = 0; i < changes; i++) {
    const containers = containersIn(copy).filter((container) => Object.keys(container).length > 0)
    if (containers.length === 0) return copy
    const container = dice.one(containers)
    if (Array.isArray(container) && dice.percent(60)) bendList(container, dice)
    else bendEntry(container as Record<string, unknown>, containers, dice)
  }
  return copy
}

function bendList(list: unknown[], dice: Dice): void {
  const at = dice.below(list.length)
  if (dice.percent(40)) list.splice(at, 1)
  else list.splice(at, 0, deepCopy(list[at]))
}

function bendEntry(object: Record<string, unknown>, containers: readonly Container[], dice: Dice): void {
  const key = dice.one(Object.keys(object))
  const old = object[key]
  if (dice.percent(20)) delete object[key]
  else if (typeof old === 'boolean') object[key] = !old
  else if (typeof old === 'number') object[key] = dice.one(dice.percent(80) ? mildNumbers : hostileNumbers)
  else if (typeof old === 'string') object[key] = dice.percent(50) ? anyText(containers, dice) : dice.one(hostileTexts)
  else if (Array.isArray(old)) object[key] = []
  else object[key] = {}
}

const mildNumbers: readonly number[] = [0, 1, 2, 3, 80, 443, 600, 2 ** 31 - 1]

function anyText(containers: readonly Container[], dice: Dice): string {
  const texts = Object.values(dice.one(containers)).filter((value) => typeof value === 'string')
  return texts.length > 0 ? dice.one(texts) : ''
}

function foreign(containers: readonly Container[], dice: Dice): unknown {
  const values = Object.values(dice.one(containers))
  // A copy: the tree must stay a tree.
  return values.length > 0 ? deepCopy(dice.one(values)) : null
}

function changeList(list: unknown[], containers: readonly Container[], dice: Dice): void {
  const at = dice.below(list.length + 1)
  switch (dice.below(6)) {
    case 0:
      list.splice(at, 1)
      return
    case 1:
      list.splice(at, 0, deepCopy(list[at] ?? null))
      return
    case 2:
      list.splice(at, 0, foreign(containers, dice))
      return
    case 3:
      list.reverse()
      return
    case 4:
      list.length = 0
      return
    default:
      list[Math.min(at, Math.max(0, list.length - 1))] = hostileValue(dice)
  }
}

function changeObject(object: Record<string, unknown>, containers: readonly Container[], dice: Dice): void {
  const keys = Object.keys(object)
  const key = keys.length > 0 ? dice.one(keys) : 'name'
  switch (dice.below(8)) {
    case 0:
      delete object[key]
      return
    case 1:
      setKey(object, dice.one(hostileNames), hostileValue(dice))
      return
    case 2:
      setKey(object, key, foreign(containers, dice))
      return
    case 3:
      setKey(object, key, [object[key]])
      return
    case 4:
      setKey(object, dice.one(hostileNames), foreign(containers, dice))
      return
    default:
      setKey(object, key, hostileValue(dice))
  }
}
