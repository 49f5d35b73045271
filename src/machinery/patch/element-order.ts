/**
 * The order of a merged list. Items that the patch names keep the patch's order among themselves, the others the
 * server's; where the server has both of a pair, its order decides between the two groups, else the patch's item comes first.
 *
 * `keyOf` tells which items are the same. Example: server [a, b, c], patch names [d, b]: result [d, a, b, c].
 */
export function inElementOrder<T>(
  merged: readonly T[],
  patchOrder: readonly T[],
  serverOrder: readonly T[],
  keyOf: (item: T) => string,
): T[] {
  const patchRank = ranks(patchOrder, keyOf)
  const serverRank = ranks(serverOrder, keyOf)
  const rankIn = (rank: ReadonlyMap<string, number>, item: T): number => rank.get(keyOf(item)) ?? Number.MAX_SAFE_INTEGER
  const named = merged.filter((item) => patchRank.has(keyOf(item))).sort((a, b) => rankIn(patchRank, a) - rankIn(patchRank, b))
  const others = merged.filter((item) => !patchRank.has(keyOf(item))).sort((a, b) => rankIn(serverRank, a) - rankIn(serverRank, b))

  const result: T[] = []
  let next = 0
  for (const item of named) {
    const rank = serverRank.get(keyOf(item))
    while (next < others.length && rank !== undefined && (serverRank.get(keyOf(others[next] as T)) ?? Number.MAX_SAFE_INTEGER) < rank) {
      result.push(others[next++] as T)
    }
    result.push(item)
  }
  return [...result, ...others.slice(next)]
}

function ranks<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const result = new Map<string, number>()
  for (const item of items) if (!result.has(keyOf(item))) result.set(keyOf(item), result.size)
  return result
}
