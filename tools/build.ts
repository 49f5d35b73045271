/**
 * Bundles src/main.ts into dist/ownkube.mjs: one file to read at boot instead of hundreds; rarely used parts stay separate chunks.
 * Chunks are named by their content and older ones stay: a running cluster still loads its own. The new build takes its place
 * at once and only when whole, so that two builds at a time, or one that fails, harm nobody.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
/** Chunks of builds longer ago than this belong to no running cluster that was started since. */
const keepMs = 30 * 24 * 60 * 60 * 1000

mkdirSync(join(dist, 'parts'), { recursive: true })
const fresh = mkdtempSync(join(dist, 'new-'))
try {
  await build({
    entryPoints: { ownkube: join(root, 'src/main.ts') },
    outdir: fresh,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
    // A native module: found in node_modules at run time.
    external: ['koffi'],
    // Its CommonJS form, which Node is given, loses its named exports when a chunk of its own.
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    legalComments: 'none',
    // Packages that still call require() get one.
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  })
  copyFileSync(join(root, 'src/api/generated/descriptions.json'), join(fresh, 'parts/descriptions.json'))
  for (const name of readdirSync(join(fresh, 'parts'))) renameSync(join(fresh, 'parts', name), join(dist, 'parts', name))
  for (const name of ['ownkube.mjs.map', 'ownkube.mjs']) renameSync(join(fresh, name), join(dist, name))
} catch (error) {
  // esbuild has printed what is wrong.
  if (!(error instanceof Error && 'errors' in error)) throw error
  process.exitCode = 1
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
for (const name of readdirSync(join(dist, 'parts'))) {
  const path = join(dist, 'parts', name)
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  if (age > keepMs) rmSync(path, { force: true })
}
