import { writeSync } from 'node:fs'
import { systemClock } from '../../host/clock.ts'
import { silentLog } from '../../host/log.ts'
import { openFileStore } from '../file-store.ts'

/**
 * A process to be killed: eight writers, each of which puts the next number into a pair of keys in one commit, over and
 * over, and says on standard output what has been acknowledged: `writer number revision`. A second argument is the user to become first.
 */
const [directory = '', user] = process.argv.slice(2)
if (user) process.setuid?.(Number(user))
const store = await openFileStore(directory, { clock: systemClock, log: silentLog }, { snapshotAfterBytes: 64 << 10 })

async function write(writer: number): Promise<never> {
  const left = `/left/${writer}`
  let number = Number((await store.get(left))?.value.toString() ?? 0)
  for (;;) {
    const value = Buffer.from(String(++number))
    const result = await store.commit([
      { key: left, value, expect: undefined },
      { key: `/right/${writer}`, value, expect: undefined },
      { key: `/padding/${writer}/${number % 10}`, value: Buffer.alloc(500, 'x'), expect: undefined },
      { key: `/padding/${writer}/${(number + 5) % 10}`, value: undefined, expect: undefined },
    ])
    if (!result.ok) throw new Error('a write without expectation was in conflict')
    writeSync(1, `${writer} ${number} ${result.revision} .\n`)
    if (writer === 0 && number % 20 === 0) await store.compact(result.revision)
  }
}

await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(write))
