import { deepEqual } from '../../machinery/equality.ts'
import { duplicate, fieldNotFound, forbiddenField, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import { choiceFaults, dnsLabelFaults, type Faults } from '../field-checks.ts'
import type { Container, ContainerRestartRuleOnExitCodes, EphemeralContainer, PodSpec } from '../generated/types.ts'
import { envFaults, envFromFaults } from './env-validation.ts'
import { deviceFaults, mountFaults, type Volumes } from './mount-validation.ts'
import { isSidecar } from './pod-facts.ts'
import { containerPortFaults, hostPortConflicts } from './port-validation.ts'
import { healthFaults, noHealthFaults } from './probe-validation.ts'
import { resizePolicyFaults, resourceFaults } from './resource-validation.ts'
import { securityContextFaults } from './security-validation.ts'

const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const restartPolicies = ['Always', 'Never', 'OnFailure']
const restartActions = ['Restart', 'RestartAllContainers']
const maxRestartRules = 20
const maxExitCodes = 255
const messagePolicies = ['File', 'FallbackToLogsOnError']

/** What the containers of a pod are checked against. */
export interface PodContext {
  readonly spec: PodSpec
  readonly volumes: Volumes
}

function* commonFaults(path: string, container: Container, { spec, volumes }: PodContext): Faults {
  if (!container.name) yield required(`${path}.name`)
  else yield* dnsLabelFaults(`${path}.name`, container.name)
  if (!container.image) yield required(`${path}.image`)
  yield* choiceFaults(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, messagePolicies)
  yield* containerPortFaults(`${path}.ports`, container.ports ?? [])
  yield* envFaults(`${path}.env`, container.env ?? [])
  yield* envFromFaults(`${path}.envFrom`, container.envFrom ?? [])
  yield* mountFaults(`${path}.volumeMounts`, container, volumes)
  yield* deviceFaults(`${path}.volumeDevices`, container, volumes)
  yield* choiceFaults(`${path}.imagePullPolicy`, container.imagePullPolicy, pullPolicies)
  yield* resourceFaults(`${path}.resources`, container.resources, spec.resourceClaims ?? [])
  yield* resizePolicyFaults(`${path}.resizePolicy`, container.resizePolicy ?? [], spec.restartPolicy)
  yield* securityContextFaults(`${path}.securityContext`, container.securityContext, spec.hostUsers ?? true)
}

/** Of a pod, not of a template: old templates have tokens of other systems there. */
export function* imageFaults(path: string, { image = '' }: Container): Faults {
  if (image.trim() !== image) yield invalidValue(`${path}.image`, image, 'must not have leading or trailing whitespace')
}

function* exitCodesFaults(path: string, { operator, values = [] }: ContainerRestartRuleOnExitCodes): Faults {
  if (operator !== 'In' && operator !== 'NotIn') yield notSupported(`${path}.operator`, operator ?? '', ['In', 'NotIn'])
  if (values.length > maxExitCodes) yield tooMany(`${path}.values`, values.length, maxExitCodes)
}

/** A container's own policy, with the exit codes for which it isn't followed. */
function* restartFaults(path: string, { restartPolicy, restartPolicyRules: rules = [] }: Container): Faults {
  const at = `${path}.restartPolicyRules`
  if (restartPolicy === undefined) {
    if (rules.length === 0) return
    yield required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used')
  } else if (!restartPolicies.includes(restartPolicy)) yield notSupported(`${path}.restartPolicy`, restartPolicy, restartPolicies)
  if (rules.length > maxRestartRules) yield tooMany(at, rules.length, maxRestartRules)
  for (const [index, { action, exitCodes }] of rules.entries()) {
    if (!restartActions.includes(action)) yield notSupported(`${at}[${index}].action`, action ?? '', restartActions)
    if (exitCodes) yield* exitCodesFaults(`${at}[${index}].exitCodes`, exitCodes)
    else yield required(`${at}[${index}].exitCodes`, 'must be specified')
  }
}

export function* mainContainerFaults(path: string, context: PodContext): Faults {
  const { containers } = context.spec
  if (containers.length === 0) return yield required(path)
  const names = new Set<string>()
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`
    yield* commonFaults(at, container, context)
    if (names.has(container.name)) yield duplicate(`${at}.name`, container.name)
    names.add(container.name)
    yield* healthFaults(at, container, context.spec)
    yield* restartFaults(at, container)
  }
  yield* hostPortConflicts(path, containers)
}

export function* initContainerFaults(path: string, context: PodContext): Faults {
  const { containers, initContainers = [] } = context.spec
  const names = new Set(containers.map((one) => one.name))
  for (const [index, container] of initContainers.entries()) {
    const at = `${path}[${index}]`
    yield* commonFaults(at, container, context)
    yield* restartFaults(at, container)
    if (names.has(container.name)) yield duplicate(`${at}.name`, container.name)
    else if (container.name) names.add(container.name)
    // Init containers run one after another: only ports within one can collide.
    yield* hostPortConflicts(path, [container])
    if (isSidecar(container)) {
      yield* healthFaults(at, container, context.spec)
      continue
    }
    yield* noHealthFaults(at, container, 'may not be set for init containers without restartPolicy=Always')
    for (const [position, { restartPolicy }] of (container.resizePolicy ?? []).entries()) {
      if (restartPolicy !== 'RestartContainer') continue
      const why = "must not be set to 'RestartContainer' for non-sidecar initContainers"
      yield invalidValue(`${at}.resizePolicy[${position}].restartPolicy`, restartPolicy, why)
    }
  }
}

/** In the order of the type's fields. */
const fieldsForbiddenInEphemeral: readonly (keyof EphemeralContainer)[] = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
]

/** Defaults leave an empty object where nothing was given. */
const isGiven = (value: unknown): boolean => value !== undefined && !deepEqual(value, {})

export function* ephemeralContainerFaults(path: string, context: PodContext): Faults {
  const { containers, initContainers = [], ephemeralContainers = [] } = context.spec
  const others = new Set([...containers, ...initContainers].map((one) => one.name))
  const names = new Set(others)
  const why = 'cannot be set for an Ephemeral Container'
  for (const [index, container] of ephemeralContainers.entries()) {
    const at = `${path}[${index}]`
    yield* commonFaults(at, container, context)
    yield* imageFaults(at, container)
    if (names.has(container.name)) yield duplicate(`${at}.name`, container.name)
    names.add(container.name)
    const target = container.targetContainerName
    if (target && !others.has(target)) yield fieldNotFound(`${at}.targetContainerName`, target)
    for (const field of fieldsForbiddenInEphemeral) if (isGiven(container[field])) yield forbiddenField(`${at}.${field}`, why)
    for (const [position, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath) yield forbiddenField(`${at}.volumeMounts[${position}].subPath`, why)
      if (mount.subPathExpr) yield forbiddenField(`${at}.volumeMounts[${position}].subPathExpr`, why)
    }
  }
}
