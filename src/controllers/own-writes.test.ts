import { beforeEach, describe, expect, test } from 'vitest'
import type { Informer, InformerHandler } from '../client/informer.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import type { KubeObject } from '../machinery/object.ts'
import { OwnWrites } from './own-writes.ts'

const object = (uid: string, version: number, more: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: uid, uid, resourceVersion: String(version), creationTimestamp: '2026-01-01T00:00:00Z', ...more },
})

let clock: VirtualClock
let deleted: (gone: KubeObject) => void
let writes: OwnWrites<KubeObject>
beforeEach(() => {
  clock = new VirtualClock()
  const informer = {
    on(handler: InformerHandler<KubeObject>) {
      deleted = (gone) => handler.deleted?.(gone)
      return () => undefined
    },
  } as unknown as Informer<KubeObject>
  writes = new OwnWrites(informer, clock)
})
const seen = (...cached: KubeObject[]): string[] =>
  writes.over('set', cached).map(({ metadata }) => `${metadata.uid}@${metadata.resourceVersion}`)

describe('what a controller has written', () => {
  test('is there before the informer shows it', async () => {
    await writes.write('set', async () => object('a', 5))
    expect(seen()).toEqual(['a@5'])
    expect(writes.over('another set', [])).toEqual([])
  })
  test('replaces what the informer shows until that is as new', async () => {
    await writes.write('set', async () => object('a', 5))
    expect(seen(object('a', 3))).toEqual(['a@5'])
    expect(seen(object('a', 6))).toEqual(['a@6'])
    expect(seen()).toEqual([])
  })
  test('is gone once deleted, though the informer still shows it', async () => {
    await writes.remove('set', object('a', 3), async () => undefined)
    expect(seen(object('a', 3))).toEqual([])
    expect(seen(object('a', 4, { deletionTimestamp: '2026-01-01T00:00:00Z' }))).toEqual(['a@4'])
  })
  test('does not come back when the news of its end overtakes the answer to its creation', async () => {
    await writes.write('set', async () => {
      deleted(object('a', 6))
      return object('a', 5)
    })
    expect(seen()).toEqual([])
  })
  test('that failed was not written', async () => {
    await expect(writes.write('set', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(seen()).toEqual([])
  })
  test('is believed for five minutes at most', async () => {
    await writes.write('set', async () => object('a', 5))
    await clock.advance(300_001)
    expect(seen()).toEqual([])
  })
})
