import { parseArgs } from 'node:util'

/** `--sizes 100,1000` as numbers; `fallback` without the flag. Other flags are refused. */
export function listFlags<Name extends string>(args: readonly string[], fallback: Record<Name, string>): Record<Name, string[]> {
  const names = Object.keys(fallback) as Name[]
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  const values: Record<string, unknown> = parseArgs({ args: [...args], options, allowPositionals: false }).values
  const listOf = (name: Name): string[] => String(values[name] ?? fallback[name]).split(',')
  return Object.fromEntries(names.map((name) => [name, listOf(name)])) as Record<Name, string[]>
}
