import { describe, expect, test } from 'vitest'
import type { ConfigMap } from '../api/generated/types.ts'
import { configMaps } from '../api/registry.ts'
import { silentLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { expired } from '../machinery/status.ts'
import { type Client, ConnectionError, type ListQuery, type ResourceClient, type WatchEvent, type WatchQuery } from './client.ts'
import { startInformer } from './informer.ts'

const map = (name: string, version: number, uid = `uid-${name}`): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'd', uid, resourceVersion: String(version), creationTimestamp: '2026-01-01T00:00:00Z' },
})

/** A server whose lists and watches a test scripts, one step after the other. */
class Script {
  readonly asked: string[] = []
  lists: (ConfigMap[] | Error)[] = []
  version = 1
  #watch: { push: (step: WatchEvent<ConfigMap> | Error | 'end') => void } | undefined
  readonly client: Client = {
    resource: () => this.#resource() as unknown as ResourceClient<never>,
    raw: () => Promise.reject(new Error('not scripted')),
    close: () => Promise.resolve(),
  }
  send(step: WatchEvent<ConfigMap> | Error | 'end'): void {
    this.#watch?.push(step)
  }
  #resource(): Partial<ResourceClient<ConfigMap>> {
    const list = async (options: ListQuery = {}) => {
      this.asked.push(`list${options.continue ? ` ${options.continue}` : ''}${options.limit ? '' : ' whole'}`)
      const items = this.lists.shift() ?? []
      if (items instanceof Error) throw items
      const more = this.lists.length > 0 && Array.isArray(this.lists[0]) ? { continue: 'next' } : {}
      return { apiVersion: 'v1', kind: 'ConfigMapList', metadata: { resourceVersion: String(this.version), ...more }, items }
    }
    const watch = (options: WatchQuery) => this.#events(options)
    return { list, watch }
  }
  async *#events(options: WatchQuery): AsyncGenerator<WatchEvent<ConfigMap>> {
    this.asked.push(`watch ${options.resourceVersion}`)
    const steps: (WatchEvent<ConfigMap> | Error | 'end')[] = []
    let wake = (): void => {}
    this.#watch = {
      push(step) {
        steps.push(step)
        wake()
      },
    }
    options.signal.addEventListener('abort', () => wake())
    while (!options.signal.aborted) {
      const step = steps.shift()
      if (step === 'end') return
      if (step instanceof Error) throw step
      if (step) yield step
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
}

function start(script: Script, extra: { trim?: (object: ConfigMap) => ConfigMap } = {}) {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const told: string[] = []
  const informer = startInformer<ConfigMap>({
    client: script.client,
    resource: configMaps,
    clock,
    random: seededRandom(1),
    log: silentLog,
    signal: stop.signal,
    indexes: { letter: (object) => [object.metadata.name.slice(0, 1)] },
    ...extra,
  })
  informer.on({
    added: () => {
      throw new Error('a bad neighbour')
    },
  })
  informer.on({
    added: (object) => told.push(`+${object.metadata.name}`),
    updated: (object, previous) =>
      told.push(`${object.metadata.name} ${previous.metadata.resourceVersion}>${object.metadata.resourceVersion}`),
    deleted: (object) => told.push(`-${object.metadata.name}`),
  })
  const names = (): string[] => informer.list().map((object) => object.metadata.name)
  return { clock, stop, told, informer, names }
}

describe('an informer', () => {
  test('keeps of each object what it is told to, from lists and watches', async () => {
    const script = new Script()
    const withData = (name: string, version: number): ConfigMap => ({ ...map(name, version), data: { big: 'x' } })
    script.lists = [[withData('a', 1)], [withData('b', 1)]]
    const { clock, informer, stop } = start(script, { trim: ({ data: _, ...object }) => object })
    await clock.advance(0)
    script.send({ type: 'ADDED', object: withData('c', 2) })
    await clock.advance(0)
    expect(informer.list()).toEqual([map('a', 1), map('b', 1), map('c', 2)])
    stop.abort(new Error('enough'))
  })

  test('tells the list, then what changes, whatever other handlers do', async () => {
    const script = new Script()
    script.lists = [[map('a', 1)]]
    const { clock, told, informer, stop } = start(script)
    await clock.advance(0)
    expect(informer.hasSynced).toBe(true)
    script.send({ type: 'ADDED', object: map('b', 2) })
    script.send({ type: 'MODIFIED', object: map('a', 3) })
    script.send({ type: 'DELETED', object: map('b', 4) })
    await clock.advance(0)
    expect(told).toEqual(['+a', '+b', 'a 1>3', '-b'])
    expect(informer.byIndex('letter', 'a').length).toBe(1)
    expect(informer.byIndex('letter', 'b')).toEqual([])
    stop.abort(new Error('enough'))
  })

  test('goes on after the last event or bookmark when the connection broke', async () => {
    const script = new Script()
    const { clock, stop } = start(script)
    await clock.advance(0)
    script.send({ type: 'ADDED', object: map('a', 7) })
    script.send({ type: 'BOOKMARK', object: map('', 12) })
    script.send(new ConnectionError('broken'))
    await clock.advance(0)
    await clock.advance(200)
    expect(script.asked).toEqual(['list', 'watch 1', 'watch 12'])
    stop.abort(new Error('enough'))
  })

  test('lists anew when the history is gone, and tells only the differences', async () => {
    const script = new Script()
    script.lists = [[map('same', 1), map('changed', 2), map('gone', 3), map('replaced', 4)]]
    const { clock, told, stop, names } = start(script)
    await clock.advance(0)
    told.length = 0
    script.version = 20
    script.lists = [[map('same', 1), map('changed', 12), map('replaced', 14, 'another'), map('new', 15)]]
    script.send(expired('too old'))
    await clock.advance(0)
    expect(told).toEqual(['-gone', 'changed 2>12', '-replaced', '+replaced', '+new'])
    expect(names().sort()).toEqual(['changed', 'new', 'replaced', 'same'])
    expect(script.asked).toEqual(['list', 'watch 1', 'list', 'watch 20'])
    stop.abort(new Error('enough'))
  })

  test('waits longer and longer while the server is away, never more than 15 s', async () => {
    const script = new Script()
    script.lists = Array.from({ length: 12 }, () => new ConnectionError('away'))
    const { clock, informer, stop } = start(script)
    await clock.advance(1_000)
    expect(script.asked.length).toBeGreaterThan(2)
    expect(script.asked.length).toBeLessThan(6)
    await clock.advance(120_000)
    expect(informer.hasSynced).toBe(true)
    stop.abort(new Error('enough'))
  })

  test('turns the pages of a long list', async () => {
    const script = new Script()
    script.lists = [[map('a', 1)], [map('b', 2)]]
    const { clock, stop, names } = start(script)
    await clock.advance(0)
    expect(script.asked.slice(0, 2)).toEqual(['list', 'list next'])
    expect(names()).toEqual(['a', 'b'])
    stop.abort(new Error('enough'))
  })

  test('ends with its signal and leaves no timer', async () => {
    const script = new Script()
    script.lists = [new ConnectionError('away')]
    const { clock, stop, informer } = start(script)
    await clock.advance(10)
    stop.abort(new Error('enough'))
    await expect(informer.synced()).rejects.toThrow('enough')
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })
})
