import { legacyTokenSigner } from '../apiserver/access/legacy-tokens.ts'
import { newServiceAccountKey } from '../apiserver/access/token-signatures.ts'
import { testHostileRequests } from '../apiserver/testing/fuzz/fuzz-run.ts'
import { hostileRequest } from '../apiserver/testing/fuzz/hostile-requests.ts'
import { subtleRequest } from '../apiserver/testing/fuzz/subtle-requests.ts'
import { admin } from '../apiserver/testing/test-server.ts'
import { directClient } from '../client/direct-client.ts'
import { startControllers } from '../controllers/start.ts'
import { systemClock } from '../host/clock.ts'
import { systemRandom } from '../host/random.ts'
import { anyCertificate } from '../machinery/testing/certificate-requests.ts'
import { startScheduler } from '../scheduler/start.ts'

/** What the API takes from those who mean ill, controllers and scheduler must be able to deal with. `API_FUZZ_INPUTS` for how many. */
testHostileRequests({
  what: 'odd objects are dealt with by controllers and scheduler',
  inputs: Number(process.env.API_FUZZ_INPUTS ?? 1_000),
  batch: 500,
  requestOf: (samples, dice) => (dice.percent(80) ? subtleRequest(samples, dice) : hostileRequest(samples, dice)),
  limits: { cpuMs: 10_000, memoryBytes: 800 * 2 ** 20 },
  startOthers: async ({ handle, log, signal }) => {
    const deps = { client: directClient(handle, admin, 'fuzz'), clock: systemClock, random: systemRandom, log, signal }
    await startControllers({
      ...deps,
      clusterCa: anyCertificate,
      signCertificate: undefined,
      signAccountToken: legacyTokenSigner(newServiceAccountKey()),
    })
    await startScheduler(deps)
  },
})
