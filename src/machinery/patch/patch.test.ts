import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schemaOf } from '../../api/schema.ts'
import { deepCopy } from '../equality.ts'
import { StatusError } from '../status.ts'
import { applyPatch, patchTypeOf } from './apply-patch.ts'
import { mergePatch } from './merge-patch.ts'

const json = fc.jsonValue({ maxDepth: 3 })

describe('merge patch', () => {
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('of %j by %j is %j (RFC 7386, appendix A)', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result)
  })
  it('twice is the same as once, and changes no argument', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const [targetBefore, patchBefore] = [deepCopy(target), deepCopy(patch)]
        const once = mergePatch(target, patch)
        expect(mergePatch(once, patch)).toEqual(once)
        expect([target, patch]).toEqual([targetBefore, patchBefore])
      }),
    )
  })
})

const pod = (spec: object): object => ({ metadata: { name: 'web' }, spec })
const strategic = (target: object, patch: unknown): object => applyPatch('strategic', schemaOf('Pod'), target, patch)
const twoContainers = pod({
  containers: [
    { name: 'a', image: 'a:1' },
    { name: 'b', image: 'b:1' },
  ],
})

describe('strategic merge patch', () => {
  it('merges containers by name, new ones first', () => {
    const patch = pod({
      containers: [
        { name: 'c', image: 'c:1' },
        { name: 'b', image: 'b:2' },
      ],
    })
    expect(strategic(twoContainers, patch)).toEqual(
      pod({
        containers: [
          { name: 'c', image: 'c:1' },
          { name: 'a', image: 'a:1' },
          { name: 'b', image: 'b:2' },
        ],
      }),
    )
  })
  it('orders items as $setElementOrder says', () => {
    const patch = pod({ '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'a', image: 'a:2' }] })
    expect(strategic(twoContainers, patch)).toEqual(
      pod({
        containers: [
          { name: 'b', image: 'b:1' },
          { name: 'a', image: 'a:2' },
        ],
      }),
    )
  })
  it('orders without changing', () => {
    const patch = pod({ '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] })
    expect(strategic(twoContainers, patch)).toEqual(
      pod({
        containers: [
          { name: 'b', image: 'b:1' },
          { name: 'a', image: 'a:1' },
        ],
      }),
    )
  })
  it('keeps an item that only the server has where the server has it', () => {
    const server = pod({ containers: [{ name: 'a' }, { name: 'injected' }, { name: 'b' }] })
    const patch = pod({ '$setElementOrder/containers': [{ name: 'a' }, { name: 'b' }], containers: [{ name: 'b', image: 'b:2' }] })
    expect(strategic(server, patch)).toEqual(pod({ containers: [{ name: 'a' }, { name: 'injected' }, { name: 'b', image: 'b:2' }] }))
  })
  it('deletes the item that $patch names', () => {
    expect(strategic(twoContainers, pod({ containers: [{ name: 'a', $patch: 'delete' }] }))).toEqual(
      pod({ containers: [{ name: 'b', image: 'b:1' }] }),
    )
  })
  it('replaces a list by $patch', () => {
    const patch = pod({ containers: [{ $patch: 'replace' }, { name: 'c' }] })
    expect(strategic(twoContainers, patch)).toEqual(pod({ containers: [{ name: 'c' }] }))
  })
  it('replaces a map by $patch, and empties one', () => {
    const target = { metadata: { labels: { a: '1', b: '2' } } }
    expect(strategic(target, { metadata: { labels: { $patch: 'replace', c: '3' } } })).toEqual({ metadata: { labels: { c: '3' } } })
    expect(strategic(target, { metadata: { labels: { $patch: 'delete' } } })).toEqual({ metadata: { labels: {} } })
  })
  it('drops what $retainKeys does not name', () => {
    const target = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }
    const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }
    expect(applyPatch('strategic', schemaOf('Deployment'), target, patch)).toEqual({ spec: { strategy: { type: 'Recreate' } } })
  })
  it('merges lists of words, takes words out, and replaces lists that do not merge', () => {
    const target = { metadata: { finalizers: ['a', 'b'] }, spec: { tolerations: [{ key: 'k' }] } }
    const patch = {
      metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] },
      spec: { tolerations: [{ key: 'other' }] },
    }
    expect(strategic(target, patch)).toEqual({ metadata: { finalizers: ['c', 'b'] }, spec: { tolerations: [{ key: 'other' }] } })
  })
  it('takes the patch where there is nothing yet, without its directives', () => {
    const patch = {
      spec: {
        volumes: [
          { name: 'a', emptyDir: {}, $retainKeys: ['name', 'emptyDir'] },
          { name: 'b', $patch: 'delete' },
        ],
        '$setElementOrder/volumes': [{ name: 'a' }],
        nodeName: null,
      },
    }
    expect(strategic({}, patch)).toEqual({ spec: { volumes: [{ name: 'a', emptyDir: {} }] } })
  })
  it.each([
    [{ spec: { containers: [{ image: 'x' }] } }, 'does not contain declared merge key: name'],
    [{ spec: { $patch: 'explode' } }, 'Invalid value for patch directive'],
    [{ spec: { '$setElementOrder/containers': 'a', containers: [{ name: 'a' }] } }, 'invalid patch format of setElementOrder list'],
    [[], 'must be an object'],
  ])('refuses %j', (patch, message) => {
    expect(() => strategic(twoContainers, patch)).toThrow(message)
  })
  it('twice is the same as once, and changes no argument', () => {
    const container = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), image: fc.string() })
    const list = fc.uniqueArray(container, { selector: ({ name }) => name })
    fc.assert(
      fc.property(list, list, (current, change) => {
        const target = pod({ containers: current })
        const before = deepCopy(target)
        const once = strategic(target, pod({ containers: change })) as { spec: { containers: { name: string }[] } }
        expect(strategic(once, pod({ containers: change }))).toEqual(once)
        expect(target).toEqual(before)
        const names = new Set([...current, ...change].map(({ name }) => name))
        expect(new Set(once.spec.containers.map(({ name }) => name))).toEqual(names)
      }),
    )
  })
})

describe('JSON patch', () => {
  const patched = (...operations: object[]): object => applyPatch('json', schemaOf('Pod'), twoContainers, operations)
  const causeOf = (...operations: object[]): string | undefined => {
    try {
      patched(...operations)
    } catch (error) {
      const { code, details } = (error as StatusError).status
      return code === 422 ? details?.causes?.[0]?.message : `code ${code}`
    }
    return undefined
  }
  it('adds, replaces, removes, moves, copies and tests', () => {
    const result = patched(
      { op: 'test', path: '/spec/containers/0/name', value: 'a' },
      { op: 'replace', path: '/spec/containers/0/image', value: 'a:2' },
      { op: 'remove', path: '/spec/containers/1' },
      { op: 'add', path: '/metadata/labels', value: { 'x/y': '1' } },
      { op: 'copy', from: '/metadata/name', path: '/metadata/labels/n' },
      { op: 'move', from: '/metadata/labels/x~1y', path: '/metadata/labels/z' },
    )
    expect(result).toEqual({ metadata: { name: 'web', labels: { n: 'web', z: '1' } }, spec: { containers: [{ name: 'a', image: 'a:2' }] } })
  })
  it('counts from the end, and replaces what is not there, as upstream', () => {
    const result = patched({ op: 'replace', path: '/spec/containers/-1/image', value: 'b:2' }, { op: 'replace', path: '/spec/x', value: 1 })
    expect(result).toMatchObject({ spec: { containers: [{ name: 'a' }, { name: 'b', image: 'b:2' }], x: 1 } })
  })
  it('keeps what it is told of prototypes as data', () => {
    const result = patched({ op: 'add', path: '/__proto__', value: { x: 1 } }, { op: 'add', path: '/__proto__/y', value: 2 })
    expect(JSON.stringify(result)).toContain('"__proto__":{"x":1,"y":2}')
    expect('y' in {}).toBe(false)
  })
  it('takes long patches of large objects in no time', () => {
    const large = { data: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, 'x'.repeat(100)])) }
    const tests = Array.from({ length: 10_000 }, (_, i) => ({ op: 'test', path: `/data/k${i}`, value: 'x'.repeat(100) }))
    const cpu = process.cpuUsage()
    applyPatch('json', schemaOf('ConfigMap'), large, tests)
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(2_000)
  })
  it('bounds what copies make of it', () => {
    const doubling = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/metadata', path: `/metadata/b${i}` }))
    expect(causeOf({ op: 'add', path: '/metadata/a', value: 'x'.repeat(1_000) }, ...doubling)).toMatch(
      /^Unable to complete the copy, the accumulated size increase of copy is \d+, exceeding the limit 3145728$/,
    )
  })
  it.each([
    [{ op: 'test', path: '/metadata/name', value: 'x' }, 'testing value /metadata/name failed: test failed'],
    [{ op: 'remove', path: '/spec/x' }, "error in remove for path: '/spec/x': Unable to remove nonexistent key: x: missing value"],
    [{ op: 'remove', path: '/a/b' }, 'remove operation does not apply: doc is missing path: "/a/b": missing value'],
    [{ op: 'replace', path: '/a/b', value: 1 }, 'replace operation does not apply: doc is missing path: /a/b: missing value'],
    [
      { op: 'replace', path: '/spec/containers/2' },
      'replace operation does not apply: doc is missing key: /spec/containers/2: missing value',
    ],
    [
      { op: 'add', path: '/spec/containers/9', value: {} },
      "error in add for path: '/spec/containers/9': Unable to access invalid index: 9: invalid index referenced",
    ],
    [{ op: 'add', path: '/spec/containers/x' }, `error in add for path: '/spec/containers/x': strconv.Atoi: parsing "x": invalid syntax`],
    [{ op: 'add', path: '', value: {} }, 'add operation does not apply: doc is missing path: "": missing value'],
    [{ op: 'add' }, 'add operation failed to decode path: missing value'],
    [{ op: 'copy', path: '/a', from: '/b/c' }, 'copy operation does not apply: doc is missing from path: /b/c: missing value'],
    [{ op: 'move', path: '/a', from: '/b' }, "error in move for path: 'b': Unable to remove nonexistent key: b: missing value"],
    [{ op: 'jump', path: '/a' }, 'Unexpected kind: jump'],
    [{ op: 'add', path: '/constructor/x', value: 1 }, 'add operation does not apply: doc is missing path: "/constructor/x": missing value'],
  ])('refuses %j with 422', (operation, message) => {
    expect(causeOf(operation)).toBe(message)
  })
  it('refuses what is no list of operations with 400', () => {
    expect(() => applyPatch('json', schemaOf('Pod'), {}, {})).toThrow(StatusError)
  })
})

it('knows the kinds of patches by content type', () => {
  expect(patchTypeOf('application/strategic-merge-patch+json')).toBe('strategic')
  expect(patchTypeOf('application/json-patch+json; charset=utf-8')).toBe('json')
  expect(() => patchTypeOf('application/json')).toThrow('accepted media types include')
})
