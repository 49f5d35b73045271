const shortNames: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

export const accessModes: readonly string[] = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']

/** As kubectl shows them, each once, in a fixed order: `RWO,RWX`. */
export function accessModesText(modes: readonly string[] = []): string {
  return Object.entries(shortNames)
    .filter(([mode]) => modes.includes(mode))
    .map(([, short]) => short)
    .join(',')
}
