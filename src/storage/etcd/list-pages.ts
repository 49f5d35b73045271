import type { Entry, ListOptions, ListResult } from '../store.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import { range } from './etcd-messages.ts'
import type { KeyLayout } from './key-layout.ts'

/** What one answer of etcd should hold: it is one message, and in memory as a whole on both sides. */
const pageBytes = 8 << 20
const pageKeys = { first: 500, least: 50, most: 10_000 }

/** All of a list, page by page at the revision of the first; `at` 0: the newest. */
export async function listPages(
  prefix: string,
  { limit, after, at }: ListOptions & { at: number },
  calls: EtcdCalls,
  layout: KeyLayout,
): Promise<ListResult> {
  const entries: Entry[] = []
  const wanted = limit ?? Number.POSITIVE_INFINITY
  let revision = at
  let total = 0
  for (let last = after, size = pageKeys.first; ; ) {
    const page = await calls.read(
      range,
      { ...layout.rangeOf(prefix, last), revision, limit: Math.min(size, wanted - entries.length) },
      true,
    )
    if (entries.length === 0) total = page.count
    if (revision === 0) revision = page.header?.revision ?? 0
    let bytes = 0
    for (const kv of page.kvs) {
      entries.push(layout.entryOf(kv))
      bytes += kv.key.length + kv.value.length
    }
    const remaining = total - entries.length
    if (!page.more || entries.length >= wanted) return { entries, revision, more: remaining > 0, remaining }
    last = entries.at(-1)?.key
    const average = bytes / Math.max(1, page.kvs.length)
    size = Math.max(pageKeys.least, Math.min(pageKeys.most, Math.floor(pageBytes / average)))
  }
}
