import type { CronJob, Deployment, Namespace, Pod, PodTemplate } from '../../../api/generated/types.ts'
import { namespaces, pods } from '../../../api/registry.ts'
import { faultsText } from '../../../machinery/field-error.ts'
import { controllerOf, type KubeObject } from '../../../machinery/object.ts'
import { forbidden, invalid } from '../../../machinery/status.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, isOf, isPod } from '../plugin.ts'
import { type PodSecurityConfiguration, privilegedForAll } from './configuration.ts'
import { type CheckedPod, containersOf } from './pod-check.ts'
import {
  detailText,
  type LevelVersion,
  type Mode,
  modes,
  type Policy,
  policyOf,
  policyText,
  rankOf,
  reasonText,
  violationsOf,
} from './policy.ts'

/** Beyond this many pods of a namespace, a new level isn't tried on the others. */
const podsToCheck = 3000
/** Under which the audit log tells what came of a check. */
const annotations = 'pod-security.kubernetes.io'

/** Refuses pods that a namespace's labels forbid (https://kubernetes.io/docs/concepts/security/pod-security-admission/). */
export function podSecurity(configuration: PodSecurityConfiguration = privilegedForAll): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    validate(request, facts) {
      const debugs = request.subresource === 'ephemeralcontainers'
      if (request.operation === 'delete' || (request.subresource !== undefined && !debugs)) return
      const checked = { request, facts, configuration }
      if (isOf(request, namespaces)) checkNamespace(checked)
      else if (debugs || isPod(request)) checkPod(checked)
      else warnOfTemplate(checked)
    },
  }
}

interface Checked {
  readonly request: AdmissionRequest
  readonly facts: AdmissionFacts
  readonly configuration: PodSecurityConfiguration
}

const violates = (verb: string, policy: LevelVersion, detail: string): string => `${verb} PodSecurity "${policyText(policy)}": ${detail}`

/** What the namespace asks for; labels that can't be read are told in the audit log. */
function policyIn({ request: { namespace, audit }, facts, configuration }: Checked): Policy {
  const labels = facts.get(namespaces, undefined, namespace ?? '')?.metadata.labels
  const { policy, faults } = policyOf(labels, configuration.defaults)
  if (faults.length > 0) audit?.annotate(`${annotations}/error`, `Failed to parse policy: ${faultsText(faults)}`)
  return policy
}

/** Undefined: nothing exempts it. The audit log is told what does. */
function exemptionOf({ request, configuration: { exemptions } }: Checked, pod?: CheckedPod): string | undefined {
  const { namespace, user, audit } = request
  const found = exemptions.namespaces.includes(namespace ?? '')
    ? 'namespace'
    : exemptions.usernames.includes(user.name)
      ? 'user'
      : exemptions.runtimeClasses.includes(pod?.spec?.runtimeClassName ?? '')
        ? 'runtimeClass'
        : undefined
  if (found) audit?.annotate(`${annotations}/exempt`, found)
  return found
}

function tellViolations({ audit }: AdmissionRequest, pod: CheckedPod, policy: LevelVersion): void {
  const violations = audit ? violationsOf(pod, policy) : []
  if (violations.length > 0) audit?.annotate(`${annotations}/audit-violations`, violates('would violate', policy, detailText(violations)))
}

function warn(request: AdmissionRequest, pod: CheckedPod, policy: LevelVersion): void {
  const violations = violationsOf(pod, policy)
  if (violations.length > 0) request.warnings.add(violates('would violate', policy, detailText(violations)))
}

function checkPod(checked: Checked): void {
  const { request } = checked
  const pod = request.object as Pod
  if (exemptionOf(checked)) return
  if (request.operation === 'update' && !changesImages(pod, request.previous as Pod)) return
  if (exemptionOf(checked, pod)) return
  const policy = policyIn(checked)
  request.audit?.annotate(`${annotations}/enforce-policy`, policyText(policy.enforce))
  tellViolations(request, pod, policy.audit)
  const violations = violationsOf(pod, policy.enforce)
  if (violations.length > 0) throw forbidden(request.kind, request.name, violates('violates', policy.enforce, detailText(violations)))
  warn(request, pod, policy.warn)
}

/** Nothing else that a policy looks at can change in a pod. */
function changesImages(pod: Pod, previous: Pod): boolean {
  const images = (one: Pod): string =>
    containersOf(one)
      .map(({ name, image }) => `${name} ${image}`)
      .join('\n')
  return images(pod) !== images(previous)
}

function templateOf({ kind, object }: AdmissionRequest): CheckedPod | undefined {
  switch (`${kind.group}/${kind.plural}`) {
    case '/podtemplates':
      return (object as PodTemplate).template as CheckedPod | undefined
    case '/replicationcontrollers':
    case 'apps/daemonsets':
    case 'apps/deployments':
    case 'apps/replicasets':
    case 'apps/statefulsets':
    case 'batch/jobs':
      return (object as Deployment).spec?.template as CheckedPod | undefined
    case 'batch/cronjobs':
      return (object as CronJob).spec?.jobTemplate?.spec?.template as CheckedPod | undefined
    default:
      return undefined
  }
}

/** Templates are never refused: the pods made of them are. */
function warnOfTemplate(checked: Checked): void {
  const { request } = checked
  const template = templateOf(request)
  if (!template?.spec || exemptionOf(checked, template)) return
  const policy = policyIn(checked)
  tellViolations(request, template, policy.audit)
  warn(request, template, policy.warn)
}

function checkNamespace({ request, facts, configuration: { defaults, exemptions } }: Checked): void {
  const { kind, name, object, previous, warnings } = request
  const { labels } = (object as Namespace).metadata
  const next = policyOf(labels, defaults)
  const before = policyOf(previous?.metadata.labels, defaults)
  const same = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b)
  if (next.faults.length > 0 && !same(next.faults, before.faults)) throw invalid(kind, name, next.faults)
  const isExempt = exemptions.namespaces.includes(name)
  const asked = isExempt ? askedInVain(labels, next.policy, defaults) : ''
  if (!previous) {
    if (asked) warnings.add(exemptWarning(name, asked))
    return
  }
  const [now, then] = [next.policy.enforce, before.policy.enforce]
  if (same(now, then) || now.level === 'privileged' || (now.version === then.version && rankOf(now) <= rankOf(then))) return
  if (isExempt) {
    if (asked) warnings.add(exemptWarning(name, asked))
    return
  }
  const judged = facts.list(pods, name).filter(({ spec }) => !exemptions.runtimeClasses.includes(spec.runtimeClassName ?? ''))
  for (const warning of existingPodWarnings(name, judged, now)) warnings.add(warning)
}

/** What an exempt namespace's labels ask for beyond what everybody has. */
function askedInVain(labels: Readonly<Record<string, string>> = {}, policy: Policy, defaults: Policy): string {
  if (JSON.stringify(policy) === JSON.stringify(defaults)) return ''
  const said = (mode: Mode): boolean => [mode, `${mode}-version`].some((key) => labels[`${annotations}/${key}`] !== undefined)
  const asked = modes.filter((mode) => policy[mode].level !== 'privileged' && said(mode))
  return asked.map((mode) => `${mode}=${policyText(policy[mode])}`).join(', ')
}

const exemptWarning = (namespace: string, asked: string): string =>
  `namespace "${namespace}" is exempt from Pod Security, and the policy (${asked}) will be ignored`

/** One pod of each controller first: the others are most likely like it. */
function inOrderOfInterest(all: readonly Pod[]): Pod[] {
  const seen = new Set<string>()
  const [first, others]: [Pod[], Pod[]] = [[], []]
  for (const pod of all) {
    const owner = controllerOf(pod as KubeObject)?.uid
    if (owner !== undefined && seen.has(owner)) others.push(pod)
    else first.push(pod)
    if (owner !== undefined) seen.add(owner)
  }
  return [...first, ...others]
}

function existingPodWarnings(namespace: string, all: readonly Pod[], policy: LevelVersion): string[] {
  const checked = inOrderOfInterest(all).slice(0, podsToCheck)
  const namesByReason = new Map<string, string[]>()
  for (const pod of checked) {
    const reason = reasonText(violationsOf(pod, policy))
    if (reason) namesByReason.set(reason, [...(namesByReason.get(reason) ?? []), pod.metadata.name])
  }
  const others = (count: number): string => (count === 0 ? '' : ` (and ${count} other pod${count === 1 ? '' : 's'})`)
  const told = [...namesByReason].map(([reason, names]) => `${names.sort()[0]}${others(names.length - 1)}: ${reason}`)
  return [
    ...(checked.length < all.length
      ? [`new PodSecurity enforce level only checked against the first ${checked.length} of ${all.length} existing pods`]
      : []),
    ...(told.length > 0
      ? [`existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${policyText(policy)}"`]
      : []),
    ...told.sort(),
  ]
}
