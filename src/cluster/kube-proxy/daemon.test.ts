import { expect, test } from 'vitest'
import { KubeconfigError } from '../../client/kubeconfig.ts'
import { systemClock } from '../../host/clock.ts'
import { systemExec } from '../../host/exec.ts'
import { proxyAccess } from './daemon.ts'

test.each([
  ['/nope', 'there is no kubeconfig /nope: give --kubeconfig a file that says how to reach the cluster'],
  [undefined, 'which cluster? Give --kubeconfig, or run in a pod that has a service account'],
])('kubeconfig %s: it is said what to do', async (kubeconfig, complaint) => {
  const asked = proxyAccess({ kubeconfig }, undefined, { exec: systemExec, clock: systemClock }, {})
  await expect(asked).rejects.toThrow(new KubeconfigError(complaint))
})
