import type { Volume, VolumeProjection } from '../generated/types.ts'

interface Files {
  /** What messages call the source. */
  readonly source: string
  readonly paths: readonly string[]
}

const quoted = (text: string | undefined): string => JSON.stringify(text ?? '')

/** The same file, or one that would be a folder of the other. */
function overlaps(a: string, b: string): boolean {
  if (!a || !b) return false
  return a === b || `${a}/`.startsWith(b) || `${b}/`.startsWith(a)
}

function* listWarnings(volume: Volume, { source, paths }: Files): Iterable<string> {
  const seen = new Set<string>()
  for (const path of paths.map((one) => one.replace(/\/+$/, ''))) {
    const other = [...seen].find((one) => overlaps(one, path))
    if (other !== undefined) yield `volume ${quoted(volume.name)} (${source}): overlapping paths: ${quoted(path)} with ${quoted(other)}`
    seen.add(path)
  }
}

function projectedFiles({ configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle }: VolumeProjection): Files | undefined {
  const pathsOf = (items: readonly { path: string }[]): string[] => items.map(({ path }) => path)
  if (configMap?.items) return { source: `Projected ConfigMap ${quoted(configMap.name)}`, paths: pathsOf(configMap.items) }
  if (secret?.items) return { source: `Projected Secret ${quoted(secret.name)}`, paths: pathsOf(secret.items) }
  if (downwardAPI?.items) return { source: 'Projected DownwardAPI', paths: pathsOf(downwardAPI.items) }
  if (serviceAccountToken) return { source: 'Projected ServiceAccountToken', paths: [serviceAccountToken.path] }
  if (!clusterTrustBundle) return undefined
  const { name, signerName, path } = clusterTrustBundle
  return { source: `Projected ClusterTrustBundle ${quoted(name ?? signerName)}`, paths: [path] }
}

function* projectedWarnings(volume: Volume): Iterable<string> {
  const all = new Set<string>()
  for (const source of volume.projected?.sources ?? []) {
    if (Object.keys(source).length === 0) yield `volume ${quoted(volume.name)} (Projected) has no sources provided`
    const files = projectedFiles(source)
    if (!files) continue
    yield* listWarnings(volume, files)
    const unique = [...new Set(files.paths)]
    yield* listWarnings(volume, { ...files, paths: [...unique, ...all].sort() })
    for (const path of unique) all.add(path)
  }
}

/** Files in one volume that would take each other's place. */
export function* overlapWarnings(volumes: readonly Volume[]): Iterable<string> {
  for (const volume of volumes) {
    const lists = {
      [`ConfigMap ${quoted(volume.configMap?.name)}`]: volume.configMap?.items,
      [`Secret ${quoted(volume.secret?.secretName)}`]: volume.secret?.items,
      DownwardAPI: volume.downwardAPI?.items,
    }
    for (const [source, items] of Object.entries(lists)) {
      if (items) yield* listWarnings(volume, { source, paths: items.map(({ path }) => path) })
    }
    yield* projectedWarnings(volume)
  }
}
