import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Kind } from '../api/kind.ts'
import { configMaps } from '../api/registry.ts'
import { KindCache } from './kind-cache.ts'

const change = fc.record({ at: fc.nat(300), goes: fc.boolean(), reads: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0) })

test('lists are in the order of keys whatever came and went, and what was handed out stays as it was', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 600 }), (changes) => {
      const cache = new KindCache(configMaps as unknown as Kind, 0)
      const there = new Map<string, number>()
      const handedOut: { list: readonly { key: string; revision: number }[]; was: string }[] = []
      const text = (list: readonly { key: string; revision: number }[]): string =>
        list.map(({ key, revision }) => `${key}@${revision}`).join()
      for (const [index, { at, goes, reads }] of changes.entries()) {
        const key = `/registry/core/configmaps/${at % 2 ? 'odd' : 'even'}/map-${at}`
        const revision = index + 1
        if (goes) there.delete(key)
        else there.set(key, revision)
        cache.apply({
          key,
          revision,
          entry: goes ? undefined : { key, value: Buffer.from('{"metadata":{}}'), createRevision: 1, modRevision: revision },
        })
        if (!reads) continue
        const list = cache.list(undefined)
        expect(text(list)).toBe(
          [...there]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([known, since]) => `${known}@${since}`)
            .join(),
        )
        handedOut.push({ list, was: text(list) })
      }
      for (const { list, was } of handedOut) expect(text(list)).toBe(was)
    }),
    { numRuns: 60 },
  )
})
