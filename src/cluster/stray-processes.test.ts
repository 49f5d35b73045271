import { expect, test } from 'vitest'
import { isProcessOf } from './stray-processes.ts'

const config = { dataDir: '/var/lib/ownkube/a', runDir: '/run/ownkube/a' }
const node = '/opt/node/bin/node'

test.each<[string, string[], boolean]>([
  ['its server', [node, '--disable-warning=ExperimentalWarning', '/opt/ownkube/dist/ownkube.mjs', 'server', '/var/lib/ownkube/a'], true],
  ['its agent', [node, '/opt/ownkube/src/main.ts', 'agent', '/var/lib/ownkube/a'], true],
  ['its containerd', ['/usr/bin/containerd', '--config', '/var/lib/ownkube/a/containerd/config.toml'], true],
  ['another cluster’s agent', [node, '/opt/ownkube/dist/ownkube.mjs', 'agent', '/var/lib/ownkube/a2'], false],
  ['another cluster’s containerd', ['containerd', '--config', '/var/lib/ownkube/b/containerd/config.toml'], false],
  ['the host’s containerd', ['/usr/bin/containerd'], false],
  ['an editor with such words', ['vi', 'ownkube.mjs', 'agent', '/var/lib/ownkube/a'], false],
  ['a command of a user', [node, '/opt/ownkube/dist/ownkube.mjs', 'logs', 'agent', '--data-dir', '/var/lib/ownkube/a'], false],
  ['a kernel thread', [], false],
])('%s', (_, words, expected) => expect(isProcessOf(words, config)).toBe(expected))
