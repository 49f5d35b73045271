import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { assemble } from './assemble.ts'
import { listing } from './instructions.ts'
import { type MapName, mapSpecs } from './socket-maps.ts'
import { socketPrograms } from './socket-programs.ts'

const golden = new URL('./testdata/socket-programs.txt', import.meta.url)
const fds = Object.fromEntries((Object.keys(mapSpecs) as MapName[]).map((name, i) => [name, i + 3]))

describe('the programs', () => {
  test('are as they were (UPDATE_GOLDEN=1 writes them anew)', () => {
    const text = Object.entries(socketPrograms({ connectedUdp: true }))
      .map(([hook, program]) => `# ${hook}\n${listing(program)}`)
      .join('\n')
    if (process.env.UPDATE_GOLDEN) writeFileSync(golden, text)
    expect(text).toBe(readFileSync(golden, 'utf8'))
  })

  test('leave connected UDP alone where its sockets can not be ended', () => {
    const { connect4, sendmsg4 } = socketPrograms({ connectedUdp: false })
    expect(listing(connect4)).toContain('if r1 == 17 goto untouched\n  if r1 != 6 goto untouched')
    expect(sendmsg4).toEqual(socketPrograms({ connectedUdp: true }).sendmsg4)
  })

  test('assemble, and none is longer than the 4096 instructions that every kernel takes', () => {
    for (const program of Object.values(socketPrograms({ connectedUdp: true }))) {
      expect(assemble(program, fds).length / 8).toBeLessThan(4096)
    }
  })
})
