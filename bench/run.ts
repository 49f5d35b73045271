/** `npm run bench NAME... [-- flags]`: measures, and prints aligned tables. Without a name: which there are. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const available = readdirSync(here)
  .filter((name) => name.endsWith('.ts') && readFileSync(join(here, name), 'utf8').includes('export async function run('))
  .map((name) => name.slice(0, -3))
const words = process.argv.slice(2)
const firstFlag = words.findIndex((word) => word.startsWith('--'))
const wanted = firstFlag < 0 ? words : words.slice(0, firstFlag)
const flags = firstFlag < 0 ? [] : words.slice(firstFlag)
const unknown = wanted.filter((name) => !available.includes(name))
if (wanted.length === 0 || unknown.length > 0) {
  console.error(
    `${unknown.length ? `no such bench: ${unknown.join(', ')}\n` : ''}npm run bench NAME [-- FLAGS], where NAME is one of: ${available.join(', ')}`,
  )
  process.exit(2)
}
for (const name of wanted) {
  const bench = (await import(`./${name}.ts`)) as { run(flags: readonly string[]): Promise<void> }
  await bench.run(flags)
}
