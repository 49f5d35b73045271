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
  it.each([
    [{ op: 'test', path: '/metadata/name', value: 'x' }, 'testing value /metadata/name failed: test failed'],
    [{ op: 'remove', path: '/spec/x' }, 'remove operation does not apply'],
    [{ op: 'replace', path: '/a/b', value: 1 }, 'replace operation does not apply'],
    [{ op: 'add', path: '/spec/containers/9', value: {} }, 'add operation does not apply'],
    [{ op: 'jump', path: '/a' }, 'Unexpected kind: jump'],
    [{ op: 'add', path: '/__proto__/x', value: 1 }, 'add operation does not apply'],
  ])('refuses %j with 422', (operation, message) => {
    let thrown: unknown
    try {
      patched(operation)
    } catch (error) {
      thrown = error
    }
    expect((thrown as StatusError).status.code).toBe(422)
    expect((thrown as StatusError).status.details?.causes?.[0]?.message).toContain(message)
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
