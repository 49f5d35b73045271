import { duplicate, fieldNotFound, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults, type Faults } from '../field-checks.ts'
import type { Container, EphemeralContainer, PodSpec } from '../generated/types.ts'
import { envFaults, envFromFaults } from './env-validation.ts'
import { deviceFaults, mountFaults, type Volumes } from './mount-validation.ts'
import { containerPortFaults, hostPortConflicts } from './port-validation.ts'
import { healthFaults, noHealthFaults } from './probe-validation.ts'
import { resizePolicyFaults, resourceFaults } from './resource-validation.ts'
import { securityContextFaults } from './security-validation.ts'

const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const restartPolicies = ['Always', 'Never', 'OnFailure']
const messagePolicies = ['File', 'FallbackToLogsOnError']

/** What the containers of a pod are checked against. */
export interface PodContext {
  readonly spec: PodSpec
  readonly volumes: Volumes
  /** Pods are stricter than templates in a few old rules. */
  readonly isPod: boolean
}

function* choiceFaults(path: string, value: string | undefined, choices: readonly string[]): Faults {
  if (!value) yield required(path)
  else if (!choices.includes(value)) yield notSupported(path, value, choices)
}

function* commonFaults(path: string, container: Container, { spec, volumes, isPod }: PodContext): Faults {
  if (!container.name) yield required(`${path}.name`)
  else yield* dnsLabelFaults(`${path}.name`, container.name)
  if (!container.image) yield required(`${path}.image`)
  else if (isPod && container.image.trim() !== container.image) {
    yield invalidValue(`${path}.image`, container.image, 'must not have leading or trailing whitespace')
  }
  const { restartPolicy } = container
  if (restartPolicy !== undefined) yield* choiceFaults(`${path}.restartPolicy`, restartPolicy, restartPolicies)
  yield* choiceFaults(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, messagePolicies)
  yield* containerPortFaults(`${path}.ports`, container.ports ?? [])
  yield* envFaults(`${path}.env`, container.env ?? [])
  yield* envFromFaults(`${path}.envFrom`, container.envFrom ?? [])
  yield* mountFaults(`${path}.volumeMounts`, container, volumes)
  yield* deviceFaults(`${path}.volumeDevices`, container.volumeDevices ?? [], volumes)
  yield* choiceFaults(`${path}.imagePullPolicy`, container.imagePullPolicy, pullPolicies)
  yield* resourceFaults(`${path}.resources`, container.resources)
  yield* resizePolicyFaults(`${path}.resizePolicy`, container.resizePolicy ?? [], spec.restartPolicy)
  yield* securityContextFaults(`${path}.securityContext`, container.securityContext, spec.hostUsers ?? true)
}

export function* mainContainerFaults(path: string, context: PodContext): Faults {
  const { containers, terminationGracePeriodSeconds } = context.spec
  if (containers.length === 0) yield required(path)
  const names = new Set<string>()
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`
    yield* commonFaults(at, container, context)
    if (names.has(container.name)) yield duplicate(`${at}.name`, container.name)
    names.add(container.name)
    yield* healthFaults(at, container, terminationGracePeriodSeconds)
  }
  yield* hostPortConflicts(path, containers)
}

export function* initContainerFaults(path: string, context: PodContext): Faults {
  const { containers, initContainers = [], terminationGracePeriodSeconds } = context.spec
  const names = new Set(containers.map((one) => one.name))
  for (const [index, container] of initContainers.entries()) {
    const at = `${path}[${index}]`
    yield* commonFaults(at, container, context)
    const isSidecar = container.restartPolicy === 'Always'
    if (names.has(container.name)) yield duplicate(`${at}.name`, container.name)
    else if (container.name) names.add(container.name)
    // Init containers run one after another: only ports within one can collide.
    yield* hostPortConflicts(path, [container])
    if (isSidecar) yield* healthFaults(at, container, terminationGracePeriodSeconds)
    else yield* noHealthFaults(at, container, 'may not be set for init containers without restartPolicy=Always')
  }
}

const fieldsForbiddenInEphemeral: readonly (keyof EphemeralContainer)[] = [
  'ports',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resizePolicy',
  'restartPolicy',
]

export function* ephemeralContainerFaults(path: string, context: PodContext): Faults {
  const { containers, initContainers = [], ephemeralContainers = [] } = context.spec
  const others = new Set([...containers, ...initContainers].map((one) => one.name))
  const names = new Set(others)
  const why = 'cannot be set for an Ephemeral Container'
  for (const [index, container] of ephemeralContainers.entries()) {
    const at = `${path}[${index}]`
    yield* commonFaults(at, container, context)
    if (names.has(container.name)) yield duplicate(`${at}.name`, container.name)
    names.add(container.name)
    const target = container.targetContainerName
    if (target && !others.has(target)) yield fieldNotFound(`${at}.targetContainerName`, target)
    for (const field of fieldsForbiddenInEphemeral) if (container[field] !== undefined) yield forbiddenField(`${at}.${field}`, why)
    if (container.resources && Object.keys(container.resources).length > 0) yield forbiddenField(`${at}.resources`, why)
    for (const [position, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath) yield forbiddenField(`${at}.volumeMounts[${position}].subPath`, why)
      if (mount.subPathExpr) yield forbiddenField(`${at}.volumeMounts[${position}].subPathExpr`, why)
    }
  }
}
