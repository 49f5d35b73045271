import { validatingAdmissionPolicies } from '../api/admissionregistration/admission-policies.ts'
import type { ValidatingAdmissionPolicy } from '../api/generated/types.ts'
import { WorkQueue } from '../client/work-queue.ts'
import type { Controller } from './controller-deps.ts'
import { typeWarnings } from './policy-typing.ts'
import { unlessGone } from './unless-gone.ts'

/** Says of each ValidatingAdmissionPolicy which of its expressions do not go with the kinds that it is about. */
export const policyStatusController: Controller = (deps) => {
  const name = 'validatingadmissionpolicy-status-controller'
  const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
  const policies = deps.informers.of<ValidatingAdmissionPolicy>(validatingAdmissionPolicies)
  const client = deps.client.resource<ValidatingAdmissionPolicy>(validatingAdmissionPolicies)
  const add = ({ metadata }: ValidatingAdmissionPolicy): void => queue.add(metadata.name)
  policies.on({ added: add, updated: add })
  const sync = async (key: string): Promise<void> => {
    const policy = policies.get(key)
    const generation = policy?.metadata.generation
    if (!policy || generation === undefined || generation <= (policy.status?.observedGeneration ?? 0)) return
    const expressionWarnings = typeWarnings(policy)
    const typeChecking = expressionWarnings.length > 0 ? { expressionWarnings } : {}
    await unlessGone(() => client.updateStatus({ ...policy, status: { ...policy.status, observedGeneration: generation, typeChecking } }))
  }
  return () => queue.runWorkers(1, sync)
}
