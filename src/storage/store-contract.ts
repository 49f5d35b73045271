import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import {
  CompactedError,
  FutureRevisionError,
  SlowWatcherError,
  type Store,
  StoreClosedError,
  type StoreEvent,
  UnavailableError,
  UnknownOutcomeError,
  type WatchBatch,
} from './store.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const textOf = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()

async function put(store: Store, key: string, value: string, expected?: number): Promise<number> {
  const result = await store.commit([{ key, value: bytes(value), expect: expected }])
  if (!result.ok) throw new Error(`${key} was in conflict`)
  return result.revision
}

async function remove(store: Store, key: string, expected?: number): Promise<number> {
  const result = await store.commit([{ key, value: undefined, expect: expected }])
  if (!result.ok) throw new Error(`${key} was in conflict`)
  return result.revision
}

const shown = (event: StoreEvent): string => `${event.revision} ${event.type} ${event.key} ${textOf(event.entry?.value) ?? '-'}`

/** Reads batches until `count` events have come; progress notices are left out. */
async function events(watch: AsyncIterator<WatchBatch>, count: number): Promise<string[]> {
  const found: string[] = []
  while (found.length < count) {
    const { done, value } = await watch.next()
    if (done) throw new Error(`the watch ended after ${found.join(', ')}`)
    found.push(...value.events.map(shown))
  }
  return found
}

/**
 * The clauses of the contract in store.ts, run against every back end. `open` answers an empty store; `passTime` lets that
 * many milliseconds go by on the store's clock.
 */
export function storeContract(
  name: string,
  open: (options?: { watchBacklog: number }) => Promise<Store>,
  passTime: (milliseconds: number) => Promise<void> = (milliseconds) => systemClock.sleep(milliseconds),
): void {
  describe(`store contract: ${name}`, () => {
    let store: Store
    let stop: AbortController
    beforeEach(async () => {
      store = await open()
      stop = new AbortController()
    })
    afterEach(async () => {
      stop.abort()
      await store.close()
    })
    const watch = (prefix: string, after: number, progress = true): AsyncIterator<WatchBatch> =>
      store.watch(prefix, { after, signal: stop.signal, progress })[Symbol.asyncIterator]()
    const keys = async (prefix: string, options?: Parameters<Store['list']>[1]): Promise<string[]> =>
      (await store.list(prefix, options)).entries.map((entry) => entry.key)

    revisionsAndReads(() => store, keys)
    commits(() => store, keys)
    watches(
      () => store,
      watch,
      () => stop.signal,
    )
    compaction(() => store, watch)
    timeToLive(() => store, watch, passTime)
    figures(() => store, watch)

    test('a reader that falls behind is dropped with an error, the others go on', async () => {
      const small = await open({ watchBacklog: 50 })
      const slow = small.watch('/', { after: 0, signal: stop.signal })[Symbol.asyncIterator]()
      const quick = small.watch('/', { after: 0, signal: stop.signal })[Symbol.asyncIterator]()
      for (let i = 1; i <= 60; i++) {
        await put(small, '/a', String(i))
        await events(quick, 1)
      }
      await expect(slow.next()).rejects.toThrow(SlowWatcherError)
      expect((await slow.next()).done).toBe(true)
      await put(small, '/a', 'last')
      expect(await events(quick, 1)).toEqual(['61 put /a last'])
      await small.close()
    })

    test('commits under way when the store is closed are each answered, each with a revision of its own or with why not', async () => {
      const commits = Array.from({ length: 50 }, (_, i) => put(store, `/${i}`, 'x'))
      const closed = store.close()
      const answers = await Promise.allSettled(commits)
      await closed
      const revisions = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      expect(new Set(revisions).size).toBe(revisions.length)
      for (const answer of answers) {
        if (answer.status === 'fulfilled') continue
        const kinds = [StoreClosedError, UnavailableError, UnknownOutcomeError]
        expect(
          kinds.some((kind) => answer.reason instanceof kind),
          String(answer.reason),
        ).toBe(true)
      }
    })

    test('after close everything is refused, watches end with the reason, and closing again is harmless', async () => {
      const waiting = watch('/', 0)
      const next = waiting.next()
      next.catch(() => undefined)
      await store.close()
      await store.close()
      await expect(next).rejects.toThrow(StoreClosedError)
      await expect(store.get('/a')).rejects.toThrow(StoreClosedError)
      await expect(put(store, '/a', '1')).rejects.toThrow(StoreClosedError)
      await expect(store.healthy()).rejects.toThrow(StoreClosedError)
      await expect(watch('/', 0).next()).rejects.toThrow(StoreClosedError)
    })
  })
}

type Keys = (prefix: string, options?: Parameters<Store['list']>[1]) => Promise<string[]>
type Watch = (prefix: string, after: number, progress?: boolean) => AsyncIterator<WatchBatch>

function revisionsAndReads(store: () => Store, keys: Keys): void {
  test('an empty store is at revision 0 and each commit adds one', async () => {
    expect(await store().revision()).toBe(0)
    expect(await put(store(), '/a', '1')).toBe(1)
    expect(await put(store(), '/b', '1')).toBe(2)
    expect(await remove(store(), '/a')).toBe(3)
    expect(await store().revision()).toBe(3)
  })

  test('get answers the value now and at each older revision', async () => {
    await put(store(), '/a', 'one')
    await put(store(), '/a', 'two')
    await remove(store(), '/a')
    await put(store(), '/a', 'three')
    expect(await store().get('/a')).toMatchObject({ key: '/a', createRevision: 4, modRevision: 4 })
    const at = async (revision: number): Promise<string | undefined> => textOf((await store().get('/a', { revision }))?.value)
    expect([await at(0), await at(1), await at(2), await at(3), await at(4)]).toEqual([undefined, 'one', 'two', undefined, 'three'])
    expect(await store().get('/a', { revision: 2 })).toMatchObject({ createRevision: 1, modRevision: 2 })
    expect(await store().get('/none')).toBeUndefined()
    await expect(store().get('/a', { revision: 5 })).rejects.toThrow(FutureRevisionError)
  })

  test('list answers the keys of a prefix in byte order', async () => {
    for (const key of [
      '/pods/test2/a',
      '/pods/test/b',
      '/pods/test/a',
      '/other',
      '/pods/test/\u{1f600}',
      '/pods/test/\uffee',
      '/pods/test/é',
    ])
      await put(store(), key, key)
    expect(await keys('/pods/test/')).toEqual(['/pods/test/a', '/pods/test/b', '/pods/test/é', '/pods/test/\uffee', '/pods/test/\u{1f600}'])
    expect(await keys('/pods/test2')).toEqual(['/pods/test2/a'])
    expect(await keys('/none/')).toEqual([])
    expect((await keys('')).length).toBe(7)
    await expect(store().list('/', { revision: 99 })).rejects.toThrow(FutureRevisionError)
  })

  test('pages of a list stay on the revision they began on', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await put(store(), `/${name}`, name)
    const first = await store().list('/', { limit: 2 })
    expect(first).toMatchObject({ revision: 5, more: true, remaining: 3 })
    await remove(store(), '/c')
    await put(store(), '/bb', 'new')
    const second = await store().list('/', { limit: 2, after: '/b', revision: first.revision })
    expect(second.entries.map((entry) => entry.key)).toEqual(['/c', '/d'])
    expect(second).toMatchObject({ revision: 5, more: true, remaining: 1 })
    expect(await store().list('/', { limit: 2, after: '/d', revision: 5 })).toMatchObject({ more: false, remaining: 0 })
    expect(await keys('/')).toEqual(['/a', '/b', '/bb', '/d', '/e'])
  })

  test('a page whose revision has been compacted is refused, and the first page of a new list is not', async () => {
    for (const name of ['a', 'b', 'c']) await put(store(), `/${name}`, name)
    const first = await store().list('/', { limit: 1 })
    await put(store(), '/d', 'd')
    await store().compact(4)
    const next = store().list('/', { limit: 1, after: '/a', revision: first.revision })
    await expect(next).rejects.toThrow(CompactedError)
    await expect(next).rejects.toMatchObject({ oldest: 4 })
    expect(await store().list('/', { limit: 1 })).toMatchObject({ revision: 4, remaining: 3 })
  })

  test('what was acknowledged is seen by every read that begins after it', async () => {
    for (let i = 1; i <= 20; i++) {
      const revision = await put(store(), '/a', String(i))
      const [found, listed, newest] = await Promise.all([store().get('/a'), store().list('/'), store().revision()])
      expect([found?.modRevision, listed.entries[0]?.modRevision, listed.revision, newest]).toEqual([
        revision,
        revision,
        revision,
        revision,
      ])
    }
  })

  test('a thousand keys in random order come back in order, half of them deleted too', async () => {
    const order = Array.from({ length: 1000 }, (_, i) => (i * 377) % 1000)
    await Promise.all(order.map((i) => put(store(), `/k/${String(i).padStart(4, '0')}`, 'x')))
    await Promise.all(order.filter((i) => i % 2 === 0).map((i) => remove(store(), `/k/${String(i).padStart(4, '0')}`)))
    const now = await keys('/k/')
    expect(now.length).toBe(500)
    expect(now).toEqual([...now].sort())
    expect((await keys('/k/', { revision: 1000 })).length).toBe(1000)
  })
}

function commits(store: () => Store, keys: Keys): void {
  test('compare-and-swap: create, update and delete only from the expected revision', async () => {
    await put(store(), '/a', '1', 0)
    expect(await store().commit([{ key: '/a', value: bytes('2'), expect: 0 }])).toMatchObject({ ok: false, revision: 1 })
    const lost = await store().commit([{ key: '/a', value: undefined, expect: 7 }])
    expect(lost.ok === false && lost.conflicts.get('/a')).toMatchObject({ key: '/a', modRevision: 1 })
    expect(await put(store(), '/a', '2', 1)).toBe(2)
    expect(await remove(store(), '/a', 2)).toBe(3)
    const gone = await store().commit([{ key: '/a', value: bytes('3'), expect: 2 }])
    expect(gone.ok === false && gone.conflicts.has('/a') && gone.conflicts.get('/a')).toBeUndefined()
  })

  test('a commit of several keys takes place whole, at one revision, or not at all', async () => {
    await put(store(), '/a', '1')
    const both = [
      { key: '/a', value: bytes('2'), expect: 1 },
      { key: '/b', value: bytes('2'), expect: 0 },
    ]
    expect(await store().commit(both)).toEqual({ ok: true, revision: 2 })
    const result = await store().commit([{ key: '/c', value: bytes('3'), expect: 0 }, ...both])
    expect(result.ok === false && [...result.conflicts.keys()]).toEqual(['/a', '/b'])
    expect(await keys('/')).toEqual(['/a', '/b'])
    expect(await store().get('/b')).toMatchObject({ createRevision: 2, modRevision: 2 })
  })

  test('a commit that changes nothing makes no revision', async () => {
    await put(store(), '/a', '1')
    expect(await store().commit([])).toEqual({ ok: true, revision: 1 })
    expect(await store().commit([{ key: '/none', value: undefined, expect: undefined }])).toEqual({ ok: true, revision: 1 })
    expect(await store().commit([{ key: '/none', value: undefined, expect: 3 }])).toMatchObject({ ok: false })
    expect(await store().revision()).toBe(1)
  })

  test('a commit that names a key twice, or no key, is refused', async () => {
    const twice = { key: '/a', value: bytes('1'), expect: undefined }
    await expect(store().commit([twice, twice])).rejects.toThrow(RangeError)
    await expect(store().commit([{ ...twice, key: '' }])).rejects.toThrow(RangeError)
    expect(await store().revision()).toBe(0)
  })

  test('of many that create the same key at once, one succeeds', async () => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => store().commit([{ key: '/lock', value: bytes(String(i)), expect: 0 }])),
    )
    expect(results.filter((result) => result.ok).length).toBe(1)
    const lost = results.find((result) => !result.ok)
    expect(lost?.ok === false && textOf(lost.conflicts.get('/lock')?.value)).toBe(textOf((await store().get('/lock'))?.value))
  })

  test('fifty that increment one counter at once lose no increment', async () => {
    await put(store(), '/n', '0')
    const increment = async (): Promise<void> => {
      for (;;) {
        const now = (await store().get('/n'))!
        const next = bytes(String(Number(textOf(now.value)) + 1))
        if ((await store().commit([{ key: '/n', value: next, expect: now.modRevision }])).ok) return
      }
    }
    await Promise.all(Array.from({ length: 50 }, increment))
    expect(textOf((await store().get('/n'))?.value)).toBe('50')
    expect(await store().revision()).toBe(51)
  })

  test('values of any bytes and of a megabyte come back as they were', async () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    const large = Buffer.alloc(1 << 20, 'x')
    await store().commit([
      { key: '/all', value: all, expect: 0 },
      { key: '/large', value: large, expect: 0 },
      { key: '/empty', value: new Uint8Array(0), expect: 0 },
    ])
    expect(Buffer.compare((await store().get('/all'))!.value, all)).toBe(0)
    expect(Buffer.compare((await store().get('/large'))!.value, large)).toBe(0)
    expect((await store().get('/empty'))!.value.byteLength).toBe(0)
  })
}

function watches(store: () => Store, watch: Watch, signal: () => AbortSignal): void {
  test('a watch tells each change under its prefix once, in order', async () => {
    const seen = watch('/pods/', 0)
    await put(store(), '/pods/a', '1')
    await put(store(), '/nodes/a', '1')
    await put(store(), '/pods/a', '2')
    await remove(store(), '/pods/a')
    expect(await events(seen, 3)).toEqual(['1 put /pods/a 1', '3 put /pods/a 2', '4 delete /pods/a -'])
  })

  test('a watch that asks for it is told what each key held before, of what has been and of what comes', async () => {
    const ask = (after: number): AsyncIterator<WatchBatch> =>
      store().watch('/a', { after, signal: signal(), progress: false, previous: true })[Symbol.asyncIterator]()
    const [begun, beside] = [ask(0), watch('/a', 0)]
    await put(store(), '/a', '1')
    await put(store(), '/other', '1')
    await put(store(), '/a', '2')
    const late = ask(1)
    await remove(store(), '/a')
    await put(store(), '/a', '3')
    const before = async (seen: AsyncIterator<WatchBatch>, count: number): Promise<unknown[]> => {
      const found: unknown[] = []
      while (found.length < count)
        found.push(...(await seen.next()).value.events.map(({ previous }: StoreEvent) => [textOf(previous?.value), previous?.modRevision]))
      return found
    }
    const all = [
      [undefined, undefined],
      ['1', 1],
      ['2', 3],
      [undefined, undefined],
    ]
    expect(await before(begun, 4)).toEqual(all)
    expect(await before(late, 3)).toEqual(all.slice(1))
    expect(await events(beside, 4)).toEqual(['1 put /a 1', '3 put /a 2', '4 delete /a -', '5 put /a 3'])
  })

  test('a watch from an older revision begins with what came after it', async () => {
    for (const value of ['1', '2', '3']) await put(store(), '/a', value)
    const seen = watch('/', 1)
    await put(store(), '/a', '4')
    expect(await events(seen, 3)).toEqual(['2 put /a 2', '3 put /a 3', '4 put /a 4'])
  })

  test('a watch begun after an acknowledged write, at its revision, sees the next one and not that one', async () => {
    const revision = await put(store(), '/a', '1')
    const seen = watch('/', revision)
    await put(store(), '/a', '2')
    expect(await events(seen, 1)).toEqual(['2 put /a 2'])
  })

  test('a watch from a revision still to come leaves out what is before it', async () => {
    const seen = watch('/', 2)
    for (const value of ['1', '2', '3']) await put(store(), '/a', value)
    expect(await events(seen, 1)).toEqual(['3 put /a 3'])
  })

  test('changes of one commit arrive in one batch', async () => {
    const seen = watch('/x/', 0)
    await store().commit(['/x/a', '/y/a', '/x/b'].map((key) => ({ key, value: bytes('1'), expect: 0 })))
    const { value } = await seen.next()
    expect(value.events.map(shown)).toEqual(['1 put /x/a 1', '1 put /x/b 1'])
  })

  test('a reader that has everything learns how far the store has come', async () => {
    await put(store(), '/a', '1')
    await put(store(), '/other', '1')
    const seen = watch('/a', 0)
    expect(await events(seen, 1)).toEqual(['1 put /a 1'])
    expect(await seen.next()).toEqual({ done: false, value: { events: [], revision: 2 } })
    const next = seen.next()
    await put(store(), '/other', '2')
    expect(await next).toEqual({ done: false, value: { events: [], revision: 3 } })
  })

  test('without progress notices only changes arrive', async () => {
    const seen = watch('/a', 0, false)
    await put(store(), '/other', '1')
    await put(store(), '/a', '1')
    expect((await seen.next()).value.events.map(shown)).toEqual(['2 put /a 1'])
  })

  test('a watch ends when its signal aborts, and leaving the loop ends it too', async () => {
    const own = new AbortController()
    const aborted = store().watch('/', { after: 0, signal: own.signal })[Symbol.asyncIterator]()
    const next = aborted.next()
    own.abort()
    expect((await next).done).toBe(true)
    expect((await aborted.next()).done).toBe(true)
    await put(store(), '/a', '1')
    for await (const batch of store().watch('/', { after: 0, signal: new AbortController().signal })) {
      expect(batch.events.length).toBe(1)
      break
    }
    const before = AbortSignal.abort()
    expect((await store().watch('/', { after: 0, signal: before })[Symbol.asyncIterator]().next()).done).toBe(true)
  })

  test('a hundred watchers of one prefix see the same changes', async () => {
    const seen = Array.from({ length: 100 }, () => watch('/', 0))
    for (let i = 1; i <= 20; i++) await put(store(), `/${i}`, 'x')
    const expected = Array.from({ length: 20 }, (_, i) => `${i + 1} put /${i + 1} x`)
    for (const each of seen) expect(await events(each, 20)).toEqual(expected)
  })
}

function compaction(store: () => Store, watch: Watch): void {
  test('compaction refuses what is gone and keeps what is not', async () => {
    for (const value of ['1', '2', '3', '4']) await put(store(), '/a', value)
    await put(store(), '/b', '1')
    await remove(store(), '/b')
    await store().compact(3)
    const old = store().get('/a', { revision: 2 })
    await expect(old).rejects.toThrow(CompactedError)
    await expect(old).rejects.toMatchObject({ oldest: 3 })
    await expect(store().list('/', { revision: 2 })).rejects.toThrow(CompactedError)
    await expect(watch('/', 2).next()).rejects.toThrow(CompactedError)
    expect(textOf((await store().get('/a', { revision: 3 }))?.value)).toBe('3')
    expect(await events(watch('/', 3), 3)).toEqual(['4 put /a 4', '5 put /b 1', '6 delete /b -'])
    expect(store().metrics().compactedRevision).toBe(3)
  })

  test('compaction of everything keeps the newest values and the revision', async () => {
    await put(store(), '/a', '1')
    await put(store(), '/a', '2')
    await put(store(), '/b', '1')
    await remove(store(), '/b')
    await store().compact(4)
    await store().compact(2) // has been done: nothing happens
    expect((await store().list('/')).entries.map((entry) => textOf(entry.value))).toEqual(['2'])
    expect(await store().revision()).toBe(4)
    expect(await store().get('/b')).toBeUndefined()
    expect(await put(store(), '/b', '2', 0)).toBe(5)
    expect(await store().get('/b', { revision: 4 })).toBeUndefined()
    await expect(store().compact(99)).rejects.toThrow(FutureRevisionError)
  })

  test('a watch that has begun is not harmed by compaction', async () => {
    const seen = watch('/', 0)
    for (const value of ['1', '2', '3']) await put(store(), '/a', value)
    await store().compact(3)
    expect(await events(seen, 3)).toEqual(['1 put /a 1', '2 put /a 2', '3 put /a 3'])
  })
}

function timeToLive(store: () => Store, watch: Watch, passTime: (milliseconds: number) => Promise<void>): void {
  test('a value with a time to live goes by itself, never before its time, and each put sets its life anew', {
    timeout: 60_000,
  }, async () => {
    const seen = watch('/', 0, false)
    const brief = { ttlSeconds: 3, expect: undefined }
    await store().commit([
      { key: '/brief', value: bytes('1'), ...brief },
      { key: '/kept', value: bytes('1'), ...brief },
      { key: '/renewed', value: bytes('1'), ...brief },
      { key: '/beside', value: bytes('1'), expect: undefined },
    ])
    await put(store(), '/kept', '2')
    await store().commit([{ key: '/renewed', value: bytes('2'), expect: undefined, ttlSeconds: 600 }])
    const deadlines = await store().deadlines()
    expect([...deadlines.keys()].sort()).toEqual(['/brief', '/renewed'])
    expect(deadlines.get('/renewed')! - deadlines.get('/brief')!).toBeGreaterThan(590_000)
    await passTime(1000)
    expect((await store().list('/')).entries.map((entry) => entry.key)).toEqual(['/beside', '/brief', '/kept', '/renewed'])
    expect((await events(seen, 6)).length).toBe(6)
    await passTime(5000)
    expect(await events(seen, 1)).toEqual(['4 delete /brief -'])
    expect((await store().list('/')).entries.map((entry) => entry.key)).toEqual(['/beside', '/kept', '/renewed'])
    expect(textOf((await store().get('/brief', { revision: 3 }))?.value)).toBe('1')
    expect(await put(store(), '/brief', '2', 0)).toBe(5)
    await remove(store(), '/renewed')
    expect(await events(seen, 2)).toEqual(['5 put /brief 2', '6 delete /renewed -'])
  })

  test('a time to live that is none is refused, and so is one of a deletion', async () => {
    for (const ttlSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(store().commit([{ key: '/a', value: bytes('1'), expect: undefined, ttlSeconds }])).rejects.toThrow(RangeError)
    await expect(store().commit([{ key: '/a', value: undefined, expect: undefined, ttlSeconds: 1 }])).rejects.toThrow(RangeError)
    expect(await store().revision()).toBe(0)
  })
}

function figures(store: () => Store, watch: Watch): void {
  test('an open store is healthy and counts what it holds', async () => {
    await put(store(), '/a', '12345')
    await put(store(), '/b', '1')
    await remove(store(), '/b')
    await store().healthy()
    expect(store().metrics()).toMatchObject({ keys: 1, revision: 3, compactedRevision: 0, commits: 3 })
    const { bytesInMemory, bytesOnDisk } = store().metrics()
    expect(bytesInMemory + bytesOnDisk).toBeGreaterThanOrEqual(7)
  })

  test('commits, lists and deliveries are counted by how long they took', async () => {
    const seen = watch('/', 0, false)
    for (let i = 0; i < 5; i++) await put(store(), `/${i}`, 'x')
    await store().commit([{ key: '/0', value: bytes('1'), expect: 99 }])
    await store().list('/')
    expect(await events(seen, 5)).toHaveLength(5)
    const { commit, list, watchDelivery } = store().metrics().latency
    expect([commit.count, list.count]).toEqual([6, 1])
    expect(watchDelivery.count).toBeGreaterThan(0)
    for (const { counts, count, boundsSeconds, sumSeconds } of [commit, list, watchDelivery]) {
      expect(counts.length).toBe(boundsSeconds.length)
      expect(counts.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(count)
      expect(sumSeconds).toBeGreaterThanOrEqual(0)
    }
  })
}
