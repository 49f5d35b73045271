import { describe, expect, test } from 'vitest'
import { renderContainerdConfig, snapshotterIn } from './containerd-config.ts'
import { mountPoints, mountsBeneath } from './mounts.ts'
import { isShimOf, refuseForeign } from './runtime-leftovers.ts'
import { strayIds, wantedTasks } from './stray-tasks.ts'

const config = renderContainerdConfig({
  ...{ dataDir: '/data', runDir: '/run/x', socket: '/run/x/containerd.sock', sandboxImage: 'ownkube.local/pause:1' },
  ...{ cniBinDir: '/usr/lib/cni', cniConfDir: '/data/cni', snapshotter: 'native' },
})

describe('containerd’s configuration', () => {
  test('every folder is ours', () => {
    const paths = [...config.matchAll(/^\s*(\w+) = "(\/[^"]*)"$/gm)].map(([, key, path]) => `${key} ${path}`)
    expect(paths).toEqual([
      'root /data/root',
      'state /run/x/state',
      'address /run/x/containerd.sock',
      'bin_dir /usr/lib/cni',
      'conf_dir /data/cni',
      'Root /run/x/runc',
      'config_path /data/registries',
    ])
  })

  test('the snapshotter is read back, so that it stays', () => {
    expect(snapshotterIn(config)).toBe('native')
    expect(snapshotterIn('')).toBeUndefined()
  })
})

const mountinfo = `22 1 259:1 / / rw - ext4 /dev/root rw
30 22 0:26 / /data/pod\\040a/volume rw shared:1 - tmpfs tmpfs rw
31 22 0:27 / /data rw - tmpfs tmpfs rw
32 31 0:28 / /data/pod\\040a rw - tmpfs tmpfs rw
33 22 0:29 / /database rw - tmpfs tmpfs rw
34 31 0:30 / /data/x rw - tmpfs tmpfs rw
35 31 0:30 / /data/x rw - overlay overlay rw
`

describe('mounts', () => {
  test('names with spaces', () => expect(mountPoints(mountinfo)[1]).toBe('/data/pod a/volume'))

  test('those beneath a folder, deepest first, not its namesakes', () => {
    expect(mountsBeneath(mountinfo, ['/data'])).toEqual(['/data/pod a/volume', '/data/x', '/data/x', '/data/pod a', '/data'])
  })
})

describe('shims', () => {
  const shim = (address: string) => ['/usr/bin/containerd-shim-runc-v2', '-namespace', 'k8s.io', '-id', 'a', '-address', address]
  test.each([
    ['ours', shim('/run/ownkube/a/containerd.sock'), true],
    ['the host’s', shim('/run/containerd/containerd.sock'), false],
    ['those of a cluster whose name begins like ours', shim('/run/ownkube/ab/containerd.sock'), false],
    ['an editor with the same words', ['vi', '-address', '/run/ownkube/a/containerd.sock'], false],
  ])('%s', (_, commandLine, expected) => expect(isShimOf(commandLine, '/run/ownkube/a')).toBe(expected))
})

test('processes of another container in our cgroups are refused, not signalled as our own group', () => {
  expect(() => refuseForeign([12, 13], ['/sys/fs/cgroup/ownkube-a'])).not.toThrow()
  expect(() => refuseForeign([12, 0], ['/sys/fs/cgroup/ownkube-a'])).toThrow(/ownkube-a holds processes .* --name/s)
})

test('what a killed containerd had only begun is told from what its successor has a use for', () => {
  const [served, dying, useless, app, unknown] = ['a', 'b', 'c', 'd', 'e'].map((digit) => digit.repeat(64)) as [
    string,
    string,
    string,
    string,
    string,
  ]
  const sandboxes = [
    { id: served, ready: true },
    { id: dying, ready: false },
    { id: useless, ready: false },
  ]
  const wanted = wantedTasks(sandboxes, [{ id: app, sandboxId: dying, state: 'running' }])
  expect(strayIds([served, dying, useless, app, unknown, '.something-else'], wanted)).toEqual([useless, unknown])
})
