import { appendFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ensureCertificates } from '../../../cluster/certificates.ts'
import { seededRandom } from '../../../host/seeded-random.ts'
import { Dice } from './dice.ts'
import { FuzzWorld, type Limits, readSamples, requestText, type StartOthers } from './fuzz-world.ts'
import type { HostileRequest, Sample } from './hostile-requests.ts'

export interface FuzzRun {
  /** Whose requests: `hostile requests are answered`. */
  readonly what: string
  readonly inputs: number
  readonly limits: Limits
  /** As many share a server: objects that are made stay, and what one does another meets. */
  readonly batch: number
  readonly requestOf: (samples: readonly Sample[], dice: Dice) => HostileRequest
  readonly startOthers?: StartOthers
}

const from = Number(process.env.API_FUZZ_FROM ?? 0)
const seed = Number(process.env.API_FUZZ_SEED ?? Date.now() % 1_000_000)
const faultsFile = process.env.API_FUZZ_FAULTS
const generous = 24 * 60 * 60_000

const seedOf = (index: number): number => Math.imul(seed, 0x9e3779b1) + index

/**
 * A test of many requests that mean ill. `API_FUZZ_SEED` says which: input i of seed s is always the same, `API_FUZZ_FROM=i API_FUZZ_INPUTS=1`
 * is that one alone. With `API_FUZZ_FAULTS=FILE` it goes on after the first fault and writes them all there.
 */
export function testHostileRequests({ what, inputs, limits, batch, requestOf, startOthers }: FuzzRun): void {
  test(`${inputs} ${what} (seed ${seed})`, { timeout: inputs > 2_000 ? generous : 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ownkube-fuzz-'))
    const samples = readSamples()
    const faults: string[] = []
    let slowest = { cpuMs: 0, index: 0 }
    const note = (text: string): void => {
      if (faultsFile === undefined) throw new Error(text)
      faults.push(text)
      appendFileSync(faultsFile, `${text}\n\n`)
    }
    try {
      const certificates = await ensureCertificates(
        folder,
        { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' },
        Date.now(),
      )
      for (let start = from; start < from + inputs; start += batch) {
        const world = await FuzzWorld.open(samples, certificates, startOthers)
        const end = Math.min(start + batch, from + inputs)
        try {
          for (let index = start; index < end; index++) {
            // What it was at, should the process end.
            if (faultsFile !== undefined) writeFileSync(`${faultsFile}.at`, String(index))
            const request = requestOf(samples, new Dice(seededRandom(seedOf(index))))
            const { fault, cpuMs } = await world.try(request, limits)
            if (cpuMs > slowest.cpuMs) slowest = { cpuMs, index }
            if (fault !== undefined) note(`input ${index} of seed ${seed}: ${fault.slice(0, 3_000)}\n${requestText(request)}`)
          }
          for (const fault of await world.health()) note(`after inputs ${start} to ${end - 1} of seed ${seed}: ${fault}`)
        } finally {
          await world.end()
        }
        if (inputs > 10_000 && end % 5_000 === 0)
          console.error(
            `${new Date().toISOString()} ${end - from} inputs, ${faults.length} faults, slowest ${slowest.cpuMs.toFixed(0)} ms (${slowest.index})`,
          )
      }
    } finally {
      await rm(folder, { recursive: true })
    }
    expect(faults.length, `faults are in ${faultsFile}`).toBe(0)
  })
}
