import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Laboratory } from './api/laboratory.ts'
import type { Operation } from './api/operations.ts'
import { operations } from './api/operations.ts'
import type { Protocol } from './api/requester.ts'
import { growthTable, ratesTable, steadyTable, watchTable } from './api/tables.ts'
import { listFlags } from './flags.ts'

/**
 * The API as clients meet it: the product's own server process on a durable store, asked over TLS by another process, and beside it in the
 * same run an HTTPS server that does nothing (the floor). `--parts rates,steady,watch,growth`, `--operations get,create`,
 * `--protocols HTTP/1.1`, `--clients 1,16,64`, `--objects 1000,10000`, `--seconds 1`.
 */
export async function run(args: readonly string[]): Promise<void> {
  const flags = listFlags(args, {
    parts: 'rates,steady,watch,growth',
    operations: operations.join(),
    protocols: 'HTTP/2,HTTP/1.1',
    clients: '1,16,64',
    objects: '1000,10000,100000',
    seconds: '1',
  })
  const forMs = Number(flags.seconds[0]) * 1000
  const clients = flags.clients.map(Number)
  const folder = mkdtempSync(join(tmpdir(), 'bench-api-'))
  const laboratory = await Laboratory.open(folder)
  try {
    for (const part of flags.parts) {
      if (part === 'rates') {
        const wanted = { operations: flags.operations as Operation[], protocols: flags.protocols as Protocol[], clients, forMs }
        console.log(await ratesTable(laboratory, wanted))
      } else if (part === 'steady') console.log(await steadyTable(laboratory))
      else if (part === 'growth') console.log(await growthTable(laboratory, flags.objects.map(Number), forMs))
      else if (part === 'watch') console.log(await watchTable(laboratory))
      else throw new Error(`no such part: ${part}`)
    }
  } finally {
    await laboratory.close()
    rmSync(folder, { recursive: true })
  }
}
