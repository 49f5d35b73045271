import { stringify } from 'yaml'
import { deepCopy, isObject } from '../../../machinery/equality.ts'
import type { Dice } from './dice.ts'
import { hostileNames, hostileValue, mutated } from './hostile-values.ts'

export interface HostileBody {
  readonly contentType: string
  readonly bytes: Buffer
}

/** JSON or YAML whose text itself is out of order in one case of eight. */
export function textBody(value: unknown, form: 'json' | 'yaml', dice: Dice): Buffer {
  const text = form === 'yaml' ? yamlOf(value) : jsonOf(value)
  return dice.percent(12) ? broken(Buffer.from(text), text, form, dice) : Buffer.from(text)
}

const jsonOf = (value: unknown): string => JSON.stringify(value) ?? ''

/** The library has no way to write some of what JavaScript holds; JSON is YAML too. */
function yamlOf(value: unknown): string {
  try {
    return stringify(value, { version: '1.1', aliasDuplicateObjects: false })
  } catch {
    return jsonOf(value)
  }
}

const hostileYaml: readonly (() => string)[] = [
  () =>
    `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'.replace(/./g, (letter) => `${letter}: &${letter} [${Array(9).fill(`*${previous(letter)}`)}]\n`)}`,
  () => `${'['.repeat(20_000)}`,
  () => `${'- '.repeat(5_000)}x`,
  () => Array.from({ length: 2_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
  () => '? [a, b]\n: c\n? {d: e}\n: f\n',
  () => 'a: &a\n  <<: *a\n  b: c\n',
  () => 'kind: !!js/function "x"\nmetadata: !!binary aGk=\nspec: !!set {a, b}\n',
  () => '---\nkind: Pod\n---\nkind: Pod\n',
  () => '%YAML 9.9\n%TAG ! tag:x,2000:\n---\n!x y\n',
  () => 'metadata: {name: 0o17, labels: {a: yes, b: 1_000, c: 0x1F, d: 12:30:45, e: .inf, f: .nan, g: ~}}\n',
  () => '"__proto__": {a: b}\n<<: {constructor: {prototype: {a: 1}}}\n',
  () => 'a: |9\n  b\n\tc: d\n',
]

function previous(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) - 1)
}

const hostileJson: readonly (() => string)[] = [
  () => '['.repeat(100_000),
  () => `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  () => `${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`,
  () => `${'{"a":0,"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  () => `{${Array.from({ length: 5_000 }, (_, i) => `"k${i % 2_500}":${i}`)}}`,
  () => '{"metadata":{"name":"x","name":"y"},"metadata":{"name":"z"}}',
  () => '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  () => '{"spec":{"replicas":1e999}}',
  () => `{"spec":{"replicas":${'9'.repeat(2_000)}}}`,
  () => `{"metadata":{"name":"\\ud800","labels":{"\\u0000":"\\uffff"}}}`,
  () => `"${'x'.repeat(200_000)}"`,
  () => 'null',
  () => '\ufeff{}',
  () => '{} {}',
  () => "{'a': 1}",
  () => '{"a":1,}',
  () => 'NaN',
  () => '',
]

function broken(bytes: Buffer, text: string, form: 'json' | 'yaml', dice: Dice): Buffer {
  switch (dice.below(7)) {
    case 0:
      return bytes.subarray(0, dice.below(bytes.byteLength + 1))
    case 1:
      return flipped(bytes, 1 + dice.below(8), dice)
    case 2: {
      // Not UTF-8: a lone continuation byte, a surrogate, an overlong form, a start without an end.
      const wrong = Buffer.from(dice.one([[0x80], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf8, 0x88], [0xff, 0xfe]]))
      const at = dice.below(bytes.byteLength + 1)
      return Buffer.concat([bytes.subarray(0, at), wrong, bytes.subarray(at)])
    }
    case 3:
      // The same key a second time.
      return Buffer.from(text.replace(/"(\w+)":/, (whole, key: string) => `${whole}null,"${dice.one([key, key, 'kind'])}":`))
    case 4:
      return Buffer.concat([bytes, Buffer.from(dice.one(['x', '}', '\u0000', '\n', '{"a":1}', '---\n', ',']))])
    default:
      return Buffer.from(dice.one(form === 'json' ? hostileJson : hostileYaml)())
  }
}

export function flipped(bytes: Buffer, times: number, dice: Dice): Buffer {
  const copy = Buffer.from(bytes)
  for (let i = 0; i < times && copy.byteLength > 0; i++) copy[dice.below(copy.byteLength)] = dice.below(256)
  return copy
}

/** Kubernetes' protobuf, out of order in most cases. */
export function protobufBody(valid: Buffer, dice: Dice): Buffer {
  switch (dice.below(8)) {
    case 0:
      return valid
    case 1:
      return valid.subarray(0, dice.below(valid.byteLength + 1))
    case 2: {
      // A varint that never ends, or says that more follows than there is.
      const at = dice.below(valid.byteLength + 1)
      const wrong = Buffer.from(
        dice.one([Array(11).fill(0xff) as number[], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], [0x0a, 0x80], [0x0b], [0x0c]]),
      )
      return Buffer.concat([valid.subarray(0, at), wrong, valid.subarray(at)])
    }
    case 3:
      return Buffer.concat([Buffer.from('k8s\u0000'), Buffer.from(Array.from({ length: dice.below(200) }, () => dice.below(256)))])
    case 4: {
      // A part of it a second time.
      const from = dice.below(valid.byteLength)
      return Buffer.concat([valid, valid.subarray(from, from + dice.below(200))])
    }
    default:
      return flipped(valid, 1 + dice.few(40), dice)
  }
}

const patchTypes = [
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/json-patch+json',
  'application/apply-patch+yaml',
]

/** A patch of any kind, made of objects of the kind: of pieces of one, with directives, or of operations. */
export function patchBody(sample: unknown, dice: Dice): HostileBody {
  const contentType = dice.one(patchTypes)
  const value = contentType.includes('json-patch') ? operations(sample, dice) : mutated(pieceOf(sample, dice), 1 + dice.few(6), dice)
  if (contentType.includes('strategic') && isObject(value)) direct(value, dice)
  const form = contentType.endsWith('yaml') && dice.percent(30) ? 'yaml' : 'json'
  return { contentType, bytes: textBody(value, form, dice) }
}

function pieceOf(sample: unknown, dice: Dice): unknown {
  if (!isObject(sample) || dice.percent(30)) return sample
  return Object.fromEntries(Object.entries(sample).filter(() => dice.percent(50)))
}

const directives: readonly (readonly [string, unknown])[] = [
  ['$patch', 'replace'],
  ['$patch', 'delete'],
  ['$patch', 'merge'],
  ['$patch', { a: 1 }],
  ['$retainKeys', ['name']],
  ['$retainKeys', 'name'],
  ['$retainKeys', [null, {}]],
  ['$setElementOrder/containers', [{ name: 'c' }, { name: 'c' }, null]],
  ['$setElementOrder/finalizers', [1, null, 'a']],
  ['$setElementOrder/', [[]]],
  ['$deleteFromPrimitiveList/finalizers', ['a', {}, null]],
  ['$deleteFromPrimitiveList/__proto__', ['a']],
]

/** Puts directives of strategic merge patches where they may and may not be. */
function direct(patch: Record<string, unknown>, dice: Dice): void {
  for (let place: unknown = patch, depth = 0; isObject(place) && depth < 6; depth++) {
    if (dice.percent(35)) {
      const [key, value] = dice.one(directives)
      place[key] = deepCopy(value)
    }
    const inner: unknown[] = Object.values(place).flatMap((value) => (Array.isArray(value) ? value : [value]))
    place = inner.length > 0 ? dice.one(inner) : undefined
  }
}

function operations(sample: unknown, dice: Dice): unknown {
  if (dice.percent(3)) return copyBomb
  const paths = pathsIn(sample)
  const path = (): string => (dice.percent(75) ? dice.one(paths) + dice.one(['', '', '', '/-', '/0', '/a']) : dice.one(hostilePaths))
  return Array.from({ length: dice.few(8) }, () => {
    const op = dice.one(['add', 'remove', 'replace', 'move', 'copy', 'test', 'add', '_get', '', null])
    const operation = { op, path: path(), from: path(), value: dice.percent(50) ? sample : hostileValue(dice) }
    return dice.percent(15) ? mutated(operation, 1, dice) : operation
  })
}

/** Each step doubles what there is. */
const copyBomb: readonly object[] = [
  { op: 'add', path: '/metadata/annotations', value: { a: 'x'.repeat(1_000) } },
  ...Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/metadata', path: `/metadata/annotations/b${i}` })),
]

const hostilePaths: readonly string[] = [
  ...[
    '',
    '/',
    '//',
    'metadata',
    '/~',
    '/~2',
    '/a~',
    '/-',
    '/0',
    '/-1',
    '/01',
    '/1e3',
    '/99999999999',
    '/spec/containers/-/name',
    '/metadata/-',
  ],
  ...hostileNames.map((name) => `/${name}`),
  ...hostileNames.map((name) => `/metadata/${name}`),
]

function pathsIn(value: unknown): string[] {
  const found: string[] = ['']
  const open: [string, unknown][] = [['', value]]
  while (open.length > 0 && found.length < 300) {
    const [path, next] = open.pop() as [string, unknown]
    if (typeof next !== 'object' || next === null) continue
    for (const [key, inner] of Object.entries(next)) {
      const at = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      found.push(at)
      open.push([at, inner])
    }
  }
  return found
}
