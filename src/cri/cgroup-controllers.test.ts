import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../host/log.ts'
import { handDownControllers, lackOfControllers } from './cgroup-controllers.ts'

const v1 = (controllers: string): string =>
  `30 29 0:27 / /sys/fs/cgroup/${controllers} rw,relatime shared:9 - cgroup cgroup rw,${controllers}`
const v2 = '31 29 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate'

describe('controllers that pods need', () => {
  it.each([
    { machine: 'version 2', unified: 'cpuset cpu io memory pids\n', mounts: [v2] },
    { machine: 'version 1', unified: undefined, mounts: ['', v1('cpu,cpuacct'), v1('memory')] },
    { machine: 'version 1 with version 2 beside it', unified: undefined, mounts: [v1('cpu'), v1('memory'), v2] },
  ])('are there: $machine', ({ unified, mounts }) => {
    expect(lackOfControllers(unified, mounts.join('\n'))).toBeUndefined()
  })

  it.each([
    {
      machine: 'version 2 without memory',
      unified: 'cpuset cpu io pids\n',
      mounts: [v2],
      says: /memory can't be used here .* offers: cpuset cpu io pids\)/,
    },
    {
      machine: 'version 2, all in use by version 1',
      unified: '\n',
      mounts: [v1('cpu'), v1('memory'), v2],
      says: /cpu and memory can't.* none\)/,
    },
    { machine: 'version 1 without memory', unified: undefined, mounts: [v1('cpu')], says: /and memory can't be used here \(no hierarchy/ },
    { machine: 'no cgroups at all', unified: undefined, mounts: [''], says: /and cpu and memory can't/ },
  ])('are lacking: $machine', ({ unified, mounts, says }) => {
    expect(lackOfControllers(unified, mounts.join('\n'))).toMatch(says)
  })
})

it.each([
  { root: 'that hands them down already', handed: 'cpu memory\n', after: 'cpu memory\n' },
  { root: 'that hands none down', handed: '\n', after: '+cpu +memory' },
  { root: 'that hands one down', handed: 'cpu pids\n', after: '+memory' },
])('a root of version 2 $root', async ({ handed, after }) => {
  const root = await mkdtemp(join(tmpdir(), 'ownkube-cgroup-'))
  try {
    await writeFile(join(root, 'cgroup.controllers'), 'cpu memory pids\n')
    await writeFile(join(root, 'cgroup.subtree_control'), handed)
    await handDownControllers({ log: silentLog }, root)
    expect(await readFile(join(root, 'cgroup.subtree_control'), 'utf8')).toBe(after)
    expect((await readdir(root)).length).toBe(2) // no leaf where none is needed
  } finally {
    await rm(root, { recursive: true })
  }
})
