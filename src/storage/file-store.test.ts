import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { openFileStore } from './file-store.ts'
import { storeContract } from './store-contract.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'store-'))
afterAll(() => fs.rmSync(root, { recursive: true }))

const deps = { clock: systemClock, log: silentLog }

storeContract('file', (options) => openFileStore(fs.mkdtempSync(path.join(root, 'contract-')), deps, options))
