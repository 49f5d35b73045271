import { expect, it } from 'vitest'
import { canShowLive } from './show-steps.ts'

it.each([
  ['a terminal', { isTTY: true, columns: 80 }, 'xterm', true],
  ['a pipe', {}, 'xterm', false],
  ['a terminal that has no size', { isTTY: true, columns: 0 }, 'xterm', false],
  ['a terminal that can only print', { isTTY: true, columns: 80 }, 'dumb', false],
])('%s', (_, terminal, term, live) => expect(canShowLive(terminal, term)).toBe(live))
