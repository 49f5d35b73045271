import { appendFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ensureCertificates } from '../cluster/certificates.ts'
import { FuzzWorld, readSamples, requestText } from './testing/fuzz/fuzz-world.ts'

/**
 * Requests that mean ill, over TLS: no 500, no crash, no answer but an object or a Status, in bounded time and memory; and a server that
 * is as good as before. `API_FUZZ_INPUTS=1000000` for how many, `API_FUZZ_SEED` for which: input i of seed s is always the same,
 * `API_FUZZ_FROM=i API_FUZZ_INPUTS=1` is that one alone. With `API_FUZZ_FAULTS=FILE` it goes on after the first fault and writes them all there.
 */
const inputs = Number(process.env.API_FUZZ_INPUTS ?? 1_000)
const from = Number(process.env.API_FUZZ_FROM ?? 0)
const seed = Number(process.env.API_FUZZ_SEED ?? Date.now() % 1_000_000)
const faultsFile = process.env.API_FUZZ_FAULTS
/** As many share a server: objects that are made stay, and what one does another meets. */
const batch = 5_000
const limits = { cpuMs: 3_000, memoryBytes: 400 * 2 ** 20 }
const generous = 24 * 60 * 60_000

const seedOf = (index: number): number => Math.imul(seed, 0x9e3779b1) + index

test(`${inputs} hostile requests of seed ${seed} are answered as they should be`, {
  timeout: inputs > 2_000 ? generous : 120_000,
}, async () => {
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
      const world = await FuzzWorld.open(samples, certificates)
      const end = Math.min(start + batch, from + inputs)
      try {
        for (let index = start; index < end; index++) {
          // What it was at, should the process end.
          if (faultsFile !== undefined) writeFileSync(`${faultsFile}.at`, String(index))
          const { request, fault, cpuMs } = await world.try(seedOf(index), limits)
          if (cpuMs > slowest.cpuMs) slowest = { cpuMs, index }
          if (fault !== undefined) note(`input ${index} of seed ${seed}: ${fault.slice(0, 3_000)}\n${requestText(request)}`)
        }
        for (const fault of await world.health()) note(`after inputs ${start} to ${end - 1} of seed ${seed}: ${fault}`)
      } finally {
        await world.end()
      }
      if (inputs > 10_000)
        console.error(
          `${new Date().toISOString()} ${end - from} inputs, ${faults.length} faults, slowest ${slowest.cpuMs.toFixed(0)} ms (${slowest.index})`,
        )
    }
  } finally {
    await rm(folder, { recursive: true })
  }
  expect(faults.length, `faults are in ${faultsFile}`).toBe(0)
})
