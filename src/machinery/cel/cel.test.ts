import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CostExceededError } from './budget.ts'
import { compile, type Environment } from './compile.ts'
import { kubernetesFunctions } from './kubernetes-functions.ts'
import { declaredName, dyn, int, listOf, mapOf, objectOf, string } from './types.ts'
import { EvaluationError, fromJson, toJson, type Value } from './values.ts'

const environment: Environment = {
  functions: kubernetesFunctions,
  variables: new Map([
    ['object', dyn],
    ['typed', objectOf('Typed', { replicas: int, names: listOf(string), labels: mapOf(string, string) })],
    ['n', int],
  ]),
}

const object = {
  spec: { replicas: 3, ratio: 0.5, big: 9007199254740991, paused: false, 'with-dash': 1, namespace: 'n', nothing: null },
  list: [1, 2, 3],
  names: ['b', 'a'],
  labels: { app: 'web', 'a.b/c': 'x' },
  containers: [
    { name: 'a', image: 'x:1', ports: [{ port: 80 }] },
    { name: 'b', image: 'y:latest' },
  ],
}
const bindings: Readonly<Record<string, unknown>> = { object, typed: { replicas: 2, names: ['x'], labels: { a: 'b' } }, n: 5 }
const variable = (name: string): Value | undefined => (name in bindings ? fromJson(bindings[name]) : undefined)

function result(expression: string): unknown {
  const { program, faults } = compile(expression, environment)
  if (!program) throw new Error(faults)
  return toJson(program.evaluate(variable))
}

function failureOf(expression: string): string {
  const { program, faults } = compile(expression, environment)
  if (!program) return faults
  try {
    program.evaluate(variable)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error(`${expression} did not fail`)
}

describe('expressions', () => {
  it.each<[expression: string, value: unknown]>([
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3 % 4', 1],
    ['-7 / 2', -3],
    ['-7 % 2', -1],
    ['--n', 5],
    ['1.5 + 2.0', 3.5],
    ['2u + 3u', 5],
    ['0x1F', 31],
    ['1 < 2 && 2 < 3', true],
    ['dyn(1) == 1.0 && n > 4.5', true],
    ["'a' + 'b' == 'ab'", true],
    ["r'\\d' == '\\\\d'", true],
    ["'\\x41\\u0042\\103'", 'ABC'],
    ["'''two\nlines'''", 'two\nlines'],
    ["size('ä😀')", 2],
    ["b'\\xff' == b'\\377'", true],
    ['[1, 2] + [3]', [1, 2, 3]],
    ["{'a': 1, 'b': 2}['b']", 2],
    ["{'a': 1}.a", 1],
    ['2 in [1, 2]', true],
    ["'app' in object.labels", true],
    ['n > 3 ? "more" : "less"', 'more'],
    ['object.spec.replicas > 2', true],
    ['object.spec.replicas + 1', 4],
    ['object.spec.ratio * 2.0', 1],
    ['object.spec.big + 1', 9007199254740992],
    ['object.spec.namespace', 'n'],
    ['object.spec.__namespace__', 'n'],
    ['object.spec.with__dash__dash', 1],
    ['object.spec.`with-dash`', 1],
    ["object.labels['a.b/c']", 'x'],
    ['object.list[1]', 2],
    ['has(object.spec.replicas) && !has(object.spec.missing)', true],
    ['has(object.spec.nothing.more)', false],
    ['has(typed.labels.a) && !has(typed.labels.b)', true],
    ['object.missing.deeper == 1 || true', true],
    ['false && object.missing == 1', false],
    ['true || object.missing == 1', true],
    ["object.spec.replicas == 'three'", false],
    ['object.spec == {"replicas": 3}', false],
    ['object.list == [1, 2, 3]', true],
    ['null == null', true],
    ['type(1) == int && type(object.spec) == map', true],
    ['type(timestamp(0)) == google.protobuf.Timestamp', true],
    ['dyn(1) == dyn("1")', false],
    ['1 // a comment', 1],
    ['\n n', 5],
  ])('%s', (expression, value) => expect(result(expression)).toEqual(value))
})

describe('macros', () => {
  it.each<[expression: string, value: unknown]>([
    ['object.list.all(x, x > 0)', true],
    ['object.list.exists(x, x > 2)', true],
    ['object.list.exists_one(x, x > 2)', true],
    ['object.list.exists(x, x / 0 == 1 || x == 3)', true],
    ["[{'a': 1}, {}].exists(x, x.a == 1)", true],
    ["[{}, {'a': 1}].exists(x, x.a == 1)", true],
    ["[{}, {'a': 1}].all(x, x.a == 2)", false],
    ['object.list.map(x, x * 2)', [2, 4, 6]],
    ['object.list.map(x, x > 1, x * 2)', [4, 6]],
    ['object.list.filter(x, x > 1)', [2, 3]],
    ["object.labels.exists(k, object.labels[k] == 'web')", true],
    [
      'object.list.map(x, object.list.map(y, x * y))',
      [
        [1, 2, 3],
        [2, 4, 6],
        [3, 6, 9],
      ],
    ],
    ['object.containers.filter(c, has(c.ports) && c.ports.exists(p, p.port == 80)).map(c, c.name)', ['a']],
    ['object.list.all(i, v, v == i + 1)', true],
    ["object.labels.exists(k, v, k == 'app' && v == 'web')", true],
    ['object.list.transformList(i, v, i * v)', [0, 2, 6]],
    ['object.list.transformList(i, v, i > 0, v)', [2, 3]],
    ["{'a': 1, 'b': 2}.transformMap(k, v, v * 10)", { a: 10, b: 20 }],
    ["{'a': 'x'}.transformMapEntry(k, v, {v: k})", { x: 'a' }],
    ['[3, 1, 2].sortBy(x, -x)', [3, 2, 1]],
  ])('%s', (expression, value) => expect(result(expression)).toEqual(value))
})

describe('functions', () => {
  it.each<[expression: string, value: unknown]>([
    ["int('42') + int(2.9) + int(3u)", 47],
    ["string(1) + string(1.5) + string(true) + string(1e6) + string(b'x')", '11.5true1e+06x'],
    ["double('1.5')", 1.5],
    ["bool('true')", true],
    ["string(duration('1h30m'))", '5400s'],
    ["duration('1m') + duration('1s') > duration('60s')", true],
    ["string(timestamp('2024-02-29T12:00:00.5+02:00'))", '2024-02-29T10:00:00.5Z'],
    ["timestamp('2024-02-29T00:00:00Z').getDayOfYear()", 59],
    ["timestamp('2024-02-29T23:30:00Z').getDate('Europe/Berlin')", 1],
    ["timestamp('2024-02-29T23:30:00Z').getHours('-01:30')", 22],
    ["(timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z')).getHours()", 24],
    ["'tacocat'.charAt(3)", 'o'],
    ["'hello hello'.indexOf('lo', 5)", 9],
    ["'hello hello'.lastIndexOf('lo')", 9],
    ["'hello'.lastIndexOf('')", 5],
    ["['a', 'b'].join('-')", 'a-b'],
    ["'TacoCÆt'.lowerAscii()", 'tacocÆt'],
    ["'hello hello'.replace('he', 'we', 1)", 'wello hello'],
    ["'ab'.replace('', '_')", '_a_b_'],
    ["'a,b,c'.split(',', 2)", ['a', 'b,c']],
    ["'tacocat'.substring(0, 4)", 'taco'],
    ["'  trim '.trim()", 'trim'],
    ["'%s has %d of %.2f, %x'.format([dyn('a'), 2, 1.5, 255])", 'a has 2 of 1.50, ff'],
    ["'%s'.format([{'b': dyn([dyn(1), 2.0]), 'a': null}])", '{a: null, b: [1, 2]}'],
    ["'%.0f %.1f %.2f'.format([2.5, 0.25, 1.005])", '2 0.2 1.00'],
    ["'%s %d'.format([double('Infinity'), -double('inf')])", 'Infinity -Infinity'],
    ['dyn(9223372036854775807) < 9223372036854775808.0', false],
    ['[7, 8, 9][dyn(0u)]', 7],
    ["has({'foo': optional.none()}.foo)", true],
    ["'abc123'.find('[0-9]+')", '123'],
    ["'a1b22'.findAll('[0-9]+')", ['1', '22']],
    ["'a1b22'.findAll('[0-9]+', 1)", ['1']],
    ["'foobar'.matches('^fo+b')", true],
    ['object.list.sum() + [].sum()', 6],
    ['object.names.isSorted()', false],
    ['object.names.min() + object.names.max()', 'ab'],
    ['object.list.indexOf(2)', 1],
    ['[1, 2, 2].lastIndexOf(2)', 2],
    ["object.names.includes('a') && 'x'.includes('x')", true],
    ['[[1], [2, 3]].flatten()', [1, 2, 3]],
    ['[1, 2, 2, 3].distinct().reverse().slice(0, 2)', [3, 2]],
    ['lists.range(3)', [0, 1, 2]],
    ['object.names.sort()', ['a', 'b']],
    ['sets.contains(object.list, [2, 3])', true],
    ['sets.equivalent([1, 1, 2], [2, 1]) && sets.intersects([1], [1, 5])', true],
    ["quantity('1500m').isGreaterThan(quantity('1'))", true],
    ["quantity('1Gi').add(quantity('1Gi')).compareTo(quantity('2Gi'))", 0],
    ["quantity('50k').sub(20).asInteger()", 49980],
    ["isQuantity('1.3Gi') && !isQuantity('x')", true],
    ["quantity('200M') == quantity('0.2G')", true],
    ["ip('192.168.0.1').family() == 4 && isIP('::1') && !isIP('::ffff:1.2.3.4')", true],
    ["ip('127.0.0.1').isLoopback() && ip('8.8.8.8').isGlobalUnicast()", true],
    ["ip.isCanonical('2001:DB8::1')", false],
    ["cidr('192.168.0.0/24').containsIP('192.168.0.7')", true],
    ["cidr('192.168.0.0/16').containsCIDR('192.168.4.0/24')", true],
    ["string(cidr('192.168.3.4/24').masked()) + string(cidr('192.168.3.4/24').ip())", '192.168.3.0/24192.168.3.4'],
    ["url('https://user@[::1]:80/a%20b?x=1&x=2#f').getHostname()", '::1'],
    ["url('https://example.com:80/path?k=a&k=b').getQuery()['k']", ['a', 'b']],
    ["url('https://example.com:80/path').getPort() + url('/x y').getEscapedPath()", '80/x%20y'],
    ["isURL('../relative')", false],
    ["semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('v1', true) && !isSemver('v1')", true],
    ["semver('1.0.0-alpha.2').compareTo(semver('1.0.0-alpha.10'))", -1],
    ["format.dns1123Label().validate('Bad').hasValue()", true],
    ["format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000')", null],
    ['object.?spec.?missing.orValue(7)', 7],
    ['object.spec.?replicas.value()', 3],
    ['object.list[?9].hasValue()', false],
    ['object.?missing.more.hasValue()', false],
    ['[?optional.of(1), ?optional.none(), 3]', [1, 3]],
    ["{?'a': object.?missing, 'b': 1}", { b: 1 }],
    ['optional.of(2).optMap(x, x * 2).value()', 4],
    ['optional.none().or(optional.of(1)).value()', 1],
  ])('%s', (expression, value) => expect(result(expression)).toEqual(value))
})

describe('failures', () => {
  it.each<[expression: string, message: string]>([
    ['object.missing', 'no such key: missing'],
    ['object.spec.nothing.more', 'no such key: more'],
    ["object.labels['zz']", 'no such key: zz'],
    ['object.list[7]', 'index out of bounds: 7'],
    ['1 / 0', 'divide by zero'],
    ['object.spec.replicas % 0', 'modulus by zero'],
    ['9223372036854775807 + 1', 'integer overflow'],
    ["object.spec.replicas + 'x'", 'no such overload'],
    ['object.spec.replicas && true', 'no such overload'],
    ['object.list.map(x, [].max())', 'max called on empty list'],
    ['object.list.all(x, object.missing)', 'no such key: missing'],
    ["quantity('x')", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ["{'a': 1, 'a': 2}", 'Failed with repeated key: a'],
    ["int('x')", "type conversion error from 'string' to 'int'"],
    ['optional.none().value()', 'optional.none() dereference'],
    ["quantity('9999999999999999999999999999G').asInteger()", 'cannot convert value to integer'],
    [
      "cidr('192.168.0.0/')",
      'network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("192.168.0.0/"): bad bits after slash: ""',
    ],
    ["{'null_key': dyn(null)}.?null_key.invalid.hasValue()", 'no such key: invalid'],
    ['int(-9223372036854775808.0)', 'integer overflow'],
    ["timestamp('0001-01-01T00:00:00Z') + duration('-1ns')", 'timestamp overflow'],
    ['lists.range(4000000000)', 'operation cancelled: actual cost limit exceeded'],
  ])('%s', (expression, message) => expect(failureOf(expression)).toBe(message))
})

describe('faults found before anything runs', () => {
  it.each<[expression: string, fault: string]>([
    ['foo.bar', "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo.bar\n | ^"],
    ["n > '1'", "ERROR: <input>:1:3: found no matching overload for '_>_' applied to '(int, string)'\n | n > '1'\n | ..^"],
    ["'x' + n", "ERROR: <input>:1:5: found no matching overload for '_+_' applied to '(string, int)'\n | 'x' + n\n | ....^"],
    ['1 == 1.0', "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, double)'\n | 1 == 1.0\n | ..^"],
    ['typed.nope', "ERROR: <input>:1:6: undefined field 'nope'\n | typed.nope\n | .....^"],
    ['n.field', "ERROR: <input>:1:2: type 'int' does not support field selection\n | n.field\n | .^"],
    ['nope(1)', "ERROR: <input>:1:5: undeclared reference to 'nope' (in container '')\n | nope(1)\n | ....^"],
    [
      "typed.names.isSorted('x')",
      "ERROR: <input>:1:21: found no matching overload for 'isSorted' applied to 'list(string).(string)'\n | typed.names.isSorted('x')\n | ....................^",
    ],
    [
      'n.all(x, true)',
      "ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | n.all(x, true)\n | ^",
    ],
    [
      'object.',
      "ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting {IDENTIFIER, ESC_IDENTIFIER}\n | object.\n | .......^",
    ],
    ['1 +\n  foo', "ERROR: <input>:2:3: undeclared reference to 'foo' (in container '')\n |   foo\n | ..^"],
    ["'x'.matches('(')", "ERROR: <input>:1:13: invalid matches argument\n | 'x'.matches('(')\n | ............^"],
    [
      "duration('1x') > duration('1s')",
      "ERROR: <input>:1:10: invalid duration argument\n | duration('1x') > duration('1s')\n | .........^",
    ],
    ['let', 'ERROR: <input>:1:1: reserved identifier: let\n | let\n | ^'],
    ['Foo{a: 1}', "ERROR: <input>:1:4: undeclared reference to 'Foo' (in container '')\n | Foo{a: 1}\n | ...^"],
    ['object.all(x.y, true)', 'ERROR: <input>:1:13: argument must be a simple name\n | object.all(x.y, true)\n | ............^'],
    ["[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"],
    ['#', "ERROR: <input>:1:1: Syntax error: token recognition error at: '#'\n | #\n | ^"],
  ])('%s', (expression, fault) => expect(compile(expression, environment).faults).toBe(fault))
})

describe('types', () => {
  it.each<[expression: string, type: string]>([
    ['n + 1', 'int'],
    ['object.spec', 'dyn'],
    ['typed.names', 'list(string)'],
    ['typed.names.map(x, size(x))', 'list(int)'],
    ['[]', 'list(dyn)'],
    ["{'a': [1]}", 'map(string, list(int))'],
    ['typed.?labels', 'optional_type(map(string, string))'],
    ['typed.?labels.orValue({})', 'map(string, string)'],
    ['true ? object.x : 1', 'dyn'],
    ['null', 'null_type'],
    ["duration('1s')", 'google.protobuf.Duration'],
    ['n == 1 ? [] : [n]', 'list(int)'],
  ])('%s', (expression, type) => {
    const { program } = compile(expression, environment)
    expect(program && declaredName(program.type)).toBe(type)
  })
})

describe('hostile expressions', () => {
  const range = '[0,1,2,3,4,5,6,7,8,9]'

  it.each<[name: string, expression: string]>([
    ['nested loops', `${range}.all(a, ${range}.all(b, ${range}.all(c, ${range}.all(d, ${range}.all(e, ${range}.all(f, true))))))`],
    ['lists that grow', `${range}.map(a, ${range}.map(b, ${range}.map(c, ${range}.map(d, ${range}.map(e, ${range})))))`],
    [
      'long texts',
      `lists.range(1000).map(i, 'x').join('y').replace('', lists.range(1000).map(i, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').join('')).size() > 0`,
    ],
  ])('%s are ended', (_name, expression) => {
    expect(failureOf(expression)).toBe('operation cancelled: actual cost limit exceeded')
  })

  const deep = (from: string): string => `[${from}]${Array.from({ length: 60 }, () => '.map(x, [x, x])').join('')}`

  it.each<[name: string, expression: string]>([
    ['compared', `${deep('1')} == ${deep('1')}`],
    ['printed', `'%s'.format([${deep('1')}])`],
    ['flattened', `dyn(${deep('1')}).flatten(100).size() > 0`],
    ['looked for', `${deep('2')} in [${deep('1')}, ${deep('2')}]`],
  ])('values that hold others many times over are not endlessly %s', (_name, expression) => {
    expect(failureOf(expression)).toBe('operation cancelled: actual cost limit exceeded')
  })

  it.each<[name: string, expression: string]>([
    ['maps of maps', `[1]${Array.from({ length: 100 }, (_, index) => `.map(x${index}, {x${index}: x${index}})`).join('')}.size() == 1`],
    ['many calls', `[${Array.from({ length: 6000 }, () => 'n == object.x').join(', ')}].size() > 0`],
    ['many faults', `[${Array.from({ length: 6000 }, () => "n > 'x'").join(', ')}].size() > 0`],
    ['a long text', `'${'x'.repeat(99_000)}' == 'y'`],
  ])('%s compile in little time and words', (_name, expression) => {
    const { faults = '' } = compile(expression, environment)
    expect(faults.length).toBeLessThan(20_000)
  })

  it('does not let || hide that its cost ran out', () => {
    const endless = `${range}.all(a, ${range}.all(b, ${range}.all(c, ${range}.all(d, ${range}.all(e, ${range}.all(f, true))))))`
    expect(failureOf(`${endless} || true`)).toBe('operation cancelled: actual cost limit exceeded')
  })

  it('matches in linear time', () => {
    expect(result(`'${'a'.repeat(5000)}b'.matches('^(a+)+$')`)).toBe(false)
  })

  it.each([['('.repeat(5000)], [`1${' + 1'.repeat(5000)}`], [`object${'.a'.repeat(5000)}`], ['['.repeat(5000)]])(
    'refuses what is nested too deeply',
    (expression) => expect(compile(expression, environment).program).toBeUndefined(),
  )

  it('knows no properties of JavaScript', () => {
    for (const expression of ['object.__proto__', 'object.constructor', 'object.labels.toString', "object['hasOwnProperty']"]) {
      expect(failureOf(expression)).toMatch(/^no such key/)
    }
  })
})

/** Expressions that parse, and whose types mostly do not matter until they run. */
const { expression: anyExpression } = fc.letrec<{ expression: string }>((tie) => {
  const inner = tie('expression')
  const operator = fc.constantFrom('+', '-', '*', '/', '%', '==', '!=', '<', '>=', '&&', '||', 'in')
  const member = fc.constantFrom(
    'size',
    'getFullYear',
    'hasValue',
    'value',
    'min',
    'sum',
    'isSorted',
    'trim',
    'distinct',
    'flatten',
    'sort',
    'join',
  )
  const member1 = fc.constantFrom(
    'contains',
    'matches',
    'indexOf',
    'split',
    'orValue',
    'includes',
    'findAll',
    'format',
    'getHours',
    'charAt',
  )
  const unary = fc.constantFrom(
    'dyn',
    'type',
    'string',
    'int',
    'uint',
    'double',
    'bytes',
    'duration',
    'timestamp',
    'size',
    'quantity',
    'ip',
    'cidr',
    'url',
    'semver',
    'optional.of',
    '!',
    '-',
    'lists.range',
  )
  const macro = fc.constantFrom('all', 'exists', 'exists_one', 'map', 'filter', 'sortBy', 'optMap')
  const leaf = fc.constantFrom(
    'object',
    'object.list',
    'object.spec.replicas',
    'object.labels',
    'n',
    'x',
    '1',
    '-9223372036854775808',
    '2u',
    '1e308',
    "'a'",
    "'10.0.0.0/8'",
    "'1h'",
    "b'x'",
    'null',
    'true',
    '[]',
    '{}',
    'optional.none()',
    'int',
  )
  return {
    expression: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.tuple(inner, operator, inner).map(([a, by, b]) => `(dyn(${a}) ${by} dyn(${b}))`),
      fc.tuple(unary, inner).map(([name, a]) => `${name}(${a})`),
      fc.tuple(inner, member).map(([a, name]) => `dyn(${a}).${name}()`),
      fc.tuple(inner, member1, inner).map(([a, name, b]) => `dyn(${a}).${name}(dyn(${b}))`),
      fc.tuple(inner, macro, inner).map(([a, name, b]) => `dyn(${a}).${name}(x, dyn(${b}))`),
      fc.tuple(inner, inner).map(([a, b]) => `dyn(${a})[dyn(${b})]`),
      fc.tuple(inner, inner).map(([a, b]) => `dyn(${a})[?dyn(${b})]`),
      fc.tuple(inner, inner).map(([a, b]) => `[dyn(${a}), dyn(${b})]`),
      fc.tuple(inner, inner).map(([a, b]) => `{dyn(${a}): dyn(${b})}`),
      fc.tuple(inner, inner, inner).map(([a, b, c]) => `(dyn(${a}) ? dyn(${b}) : dyn(${c}))`),
      inner.map((a) => `has(dyn(${a}).spec)`),
    ),
  }
})

describe('has an answer', () => {
  const answers = (expression: string): void => {
    const { program, faults } = compile(expression, environment)
    expect(program === undefined).toBe(faults !== undefined)
    try {
      if (program) toJson(program.evaluate(variable))
    } catch (error) {
      if (!(error instanceof EvaluationError || error instanceof CostExceededError)) throw error
    }
  }
  const pieces = 'object . .? spec ( ) [ [? ] { } , : ? 1 2u 0.5 + - * / % ! && || == < true null x n typed .names'.split(' ')
  const longer = [
    "'a'",
    'b"x"',
    ' in ',
    '.map(x, ',
    '.all(x, ',
    '.size()',
    'has(',
    'type(',
    'int(',
    'optional.of(',
    '[1, 2]',
    '{"a": 1}',
    '.matches(',
  ]

  it('to whatever it is given', () => {
    const given = fc.array(fc.constantFrom(...pieces, ...longer), { maxLength: 25 }).map((parts) => parts.join(''))
    fc.assert(fc.property(given, answers), { numRuns: 2000 })
  })

  it('to whatever means something', () => fc.assert(fc.property(anyExpression, answers), { numRuns: 2000 }))
})

it('tells failures apart from its own mistakes', () => {
  expect(() => compile('object.x', environment).program?.evaluate(variable)).toThrow(EvaluationError)
})
