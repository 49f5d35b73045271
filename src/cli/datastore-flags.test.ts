import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datastoreOf } from './datastore-flags.ts'

test('flags of the datastore: what fits together, and what does not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'datastore-flags-'))
  const file = join(folder, 'x.pem')
  writeFileSync(file, '')
  const datastore = ['https://a:2379/', 'https://b:2379']
  expect(datastoreOf({})).toBeUndefined()
  expect(datastoreOf({ datastore, datastoreCafile: file })).toEqual({
    endpoints: ['https://a:2379', 'https://b:2379'],
    caFile: file,
    prefix: '/ownkube',
  })
  expect(() => datastoreOf({ datastoreCafile: file })).toThrow('--datastore-cafile is of no use without --datastore')
  expect(() => datastoreOf({ datastore, datastoreKeyfile: file })).toThrow('belong together')
  expect(() => datastoreOf({ datastore, datastoreCafile: join(folder, 'none') })).toThrow('--datastore-cafile: ')
  rmSync(folder, { recursive: true })
})
