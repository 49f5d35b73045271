import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { mustRun, systemExec } from '../host/exec.ts'
import { requirements } from './requirements.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('the launcher, which lists what is missing before there is a Node, goes by the same rows', async () => {
  const nowhere = await mkdtemp(join(tmpdir(), 'ownkube-nowhere-'))
  try {
    const listed = await mustRun(systemExec, 'sh', ['-euc', '. "$root/tools/setup.sh"; missing_programs'], {
      env: { root, OWNKUBE_PROGRAM_PATH: nowhere },
    })
    const onPath = requirements.filter(({ directories }) => directories === undefined)
    const lines = listed.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
    for (const { program, purpose, debian } of onPath) expect(lines).toContain(`${program} ${purpose} (Debian package ${debian})`)
    expect(onPath.length).toBeGreaterThan(5)
  } finally {
    await rm(nowhere, { recursive: true })
  }
})
