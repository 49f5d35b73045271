import { testHostileRequests } from './testing/fuzz/fuzz-run.ts'
import { hostileRequest } from './testing/fuzz/hostile-requests.ts'

/**
 * Requests that mean ill, over TLS: no 500, no crash, no answer but an object or a Status, in bounded time and memory; and a server that
 * is as good as before. `API_FUZZ_INPUTS=1000000` for how many; `testing/fuzz/fuzz-run.ts` says how to have one of them again.
 */
testHostileRequests({
  what: 'hostile requests are answered as they should be',
  inputs: Number(process.env.API_FUZZ_INPUTS ?? 1_000),
  batch: 5_000,
  requestOf: hostileRequest,
  limits: { cpuMs: 3_000, memoryBytes: 400 * 2 ** 20 },
})
