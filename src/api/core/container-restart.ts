import type { Container, PodSpec } from '../generated/types.ts'

function decides({ action: _, exitCodes }: NonNullable<Container['restartPolicyRules']>[number], exitCode: number): boolean {
  const isListed = exitCodes?.values?.includes(exitCode) ?? false
  return exitCodes !== undefined && (exitCodes.operator === 'NotIn' ? !isListed : isListed)
}

/** Whether a container that ended so runs again: by its first rule for the code, else by its own policy, else by the pod's. */
export function restartsAfter(container: Container, spec: PodSpec, exitCode: number): boolean {
  if (container.restartPolicy !== undefined && container.restartPolicyRules?.some((rule) => decides(rule, exitCode))) return true
  switch (container.restartPolicy ?? spec.restartPolicy) {
    case 'Always':
      return true
    case 'OnFailure':
      return exitCode !== 0
    default:
      return false
  }
}

/** Some container's end may start them all anew, whatever their own policies. */
export function mayRestartAll({ initContainers = [], containers }: PodSpec): boolean {
  return [...initContainers, ...containers].some((one) => one.restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'))
}
