import { expect, test } from 'vitest'
import { unifiedMountIn } from './unified-cgroup.ts'

const line = (path: string, type: string): string => `25 20 0:22 / ${path} rw,relatime shared:9 - ${type} ${type} rw`

test.each([
  ['version 2 alone', [line('/', 'ext4'), line('/sys/fs/cgroup', 'cgroup2')], { path: '/sys/fs/cgroup', besideVersion1: false }],
  [
    'version 2 beside version 1',
    [line('/sys/fs/cgroup/cpu', 'cgroup'), line('/sys/fs/cgroup/unified', 'cgroup2')],
    { path: '/sys/fs/cgroup/unified', besideVersion1: true },
  ],
  ['version 1 alone', [line('/sys/fs/cgroup/cpu', 'cgroup')], undefined],
])('%s', (_, lines, expected) => {
  expect(unifiedMountIn(lines.join('\n'))).toEqual(expected)
})
