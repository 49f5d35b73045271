/** `npm run bench NAME...`: measures, and prints aligned tables. Without a name: which there are. */
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const available = readdirSync(here)
  .filter((name) => name.endsWith('.ts') && name !== 'run.ts')
  .map((name) => name.slice(0, -3))
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !available.includes(name))
if (wanted.length === 0 || unknown.length > 0) {
  console.error(
    `${unknown.length ? `no such bench: ${unknown.join(', ')}\n` : ''}npm run bench NAME, where NAME is one of: ${available.join(', ')}`,
  )
  process.exit(2)
}
for (const name of wanted) {
  const bench = (await import(`./${name}.ts`)) as { run(): Promise<void> }
  await bench.run()
}
