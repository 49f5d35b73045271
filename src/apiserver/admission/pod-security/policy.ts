import { type FieldError, invalidValue } from '../../../machinery/field-error.ts'
import { baselineChecks } from './baseline-checks.ts'
import type { CheckedPod, PodCheck, Violation } from './pod-check.ts'
import { restrictedChecks } from './restricted-checks.ts'

type Level = 'privileged' | 'baseline' | 'restricted'
export const levels: readonly Level[] = ['privileged', 'baseline', 'restricted']

/** A level as it was in a minor version of Kubernetes. */
export interface LevelVersion {
  readonly level: Level
  readonly version: number | 'latest'
}

export const isLevel = (text: string | undefined): text is Level => levels.includes(text as Level)

export const modes = ['enforce', 'audit', 'warn'] as const
export type Mode = (typeof modes)[number]
export type Policy = Readonly<Record<Mode, LevelVersion>>

const privileged: LevelVersion = { level: 'privileged', version: 'latest' }
export const privilegedPolicy: Policy = { enforce: privileged, audit: privileged, warn: privileged }
const prefix = 'pod-security.kubernetes.io/'

export const policyText = ({ level, version }: LevelVersion): string => `${level}:${version === 'latest' ? version : `v1.${version}`}`
export const rankOf = ({ level }: LevelVersion): number => levels.indexOf(level)

export function parseVersion(text: string): LevelVersion['version'] | undefined {
  if (text === 'latest') return text
  const minor = /^v1\.(0|[1-9]\d{0,2})$/.exec(text)?.[1]
  return minor === undefined ? undefined : Number(minor)
}

function modeOf(labels: Readonly<Record<string, string>>, mode: Mode, otherwise: LevelVersion, faults: FieldError[]): LevelVersion {
  const at = (label: string): string => `metadata.labels[${label}]`
  const [level, version] = [labels[prefix + mode], labels[`${prefix}${mode}-version`]]
  let policy = otherwise
  if (level !== undefined) {
    if (isLevel(level)) policy = { ...policy, level }
    else {
      faults.push(invalidValue(at(prefix + mode), level, `must be one of ${levels.join(', ')}`))
      // What can't be read is not to weaken what is enforced.
      policy = { ...policy, level: mode === 'enforce' ? 'restricted' : 'privileged' }
    }
  }
  if (version === undefined) return policy
  const parsed = parseVersion(version)
  if (parsed === undefined) faults.push(invalidValue(at(`${prefix}${mode}-version`), version, 'must be "latest" or "v1.x"'))
  return { ...policy, version: parsed ?? 'latest' }
}

/** What a namespace's labels ask for, and `defaults` where they say nothing. Warnings follow what is enforced, as upstream. */
export function policyOf(
  labels: Readonly<Record<string, string>> = {},
  defaults: Policy = privilegedPolicy,
): { policy: Policy; faults: readonly FieldError[] } {
  const faults: FieldError[] = []
  const policy = {
    enforce: modeOf(labels, 'enforce', defaults.enforce, faults),
    audit: modeOf(labels, 'audit', defaults.audit, faults),
    warn: modeOf(labels, 'warn', defaults.warn, faults),
  }
  const isExplicit = isLevel(labels[`${prefix}enforce`]) && labels[`${prefix}warn`] === undefined
  if (!isExplicit || rankOf(policy.enforce) <= rankOf(policy.warn)) return { policy, faults }
  const version = labels[`${prefix}warn-version`] === undefined ? policy.enforce.version : policy.warn.version
  return { policy: { ...policy, warn: { level: policy.enforce.level, version } }, faults }
}

function violationOf({ versions }: PodCheck, pod: CheckedPod, version: number): Violation | undefined {
  return versions.findLast(({ since }) => since <= version)?.check(pod)
}

/** All that a level forbids of a pod: baseline's controls first. */
export function violationsOf(pod: CheckedPod, { level, version }: LevelVersion): Violation[] {
  if (level === 'privileged') return []
  const at = version === 'latest' ? Number.POSITIVE_INFINITY : version
  const holds = ({ versions }: PodCheck): boolean => versions.some(({ since }) => since <= at)
  const stricter = level === 'restricted' ? restrictedChecks.filter(holds) : []
  const replaced = new Set(stricter.map((check) => check.replaces))
  const checks = [...baselineChecks.filter(({ id }) => !replaced.has(id)), ...stricter]
  return checks.flatMap((check) => violationOf(check, pod, at) ?? [])
}

export const detailText = (violations: readonly Violation[]): string =>
  violations.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(', ')
export const reasonText = (violations: readonly Violation[]): string => violations.map(({ reason }) => reason).join(', ')
