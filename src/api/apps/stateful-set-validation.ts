import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { claimTemplateSpecFaults } from '../core/persistent-volume-claim-validation.ts'
import { countFaults, isZeroCount, notMoreThanAllFaults } from '../count-validation.ts'
import { dnsLabelFaults, type Faults, labelSelectorFaults, nonNegativeFaults } from '../field-checks.ts'
import type { PodTemplateSpec, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy } from '../generated/types.ts'
import { collisionFaults, partFaults, statusCountFaults } from './status-validation.ts'
import { lastingFaults, neededSelectorFaults, ownPodsFaults, templateFaults } from './template-validation.ts'

function* strategyFaults({ type, rollingUpdate }: StatefulSetUpdateStrategy): Faults {
  const path = 'spec.updateStrategy'
  if (type === 'OnDelete') {
    if (rollingUpdate) yield invalidValue(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")
  } else if (type === 'RollingUpdate') {
    const { partition, maxUnavailable } = rollingUpdate ?? {}
    yield* nonNegativeFaults(`${path}.rollingUpdate.partition`, partition)
    if (maxUnavailable === undefined) return
    yield* countFaults(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable)
    if (isZeroCount(maxUnavailable)) yield invalidValue(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, 'cannot be 0')
    yield* notMoreThanAllFaults(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable)
  } else if (!type) yield required(path)
  else yield invalidValue(path, { type, ...(rollingUpdate ? { rollingUpdate } : {}) }, "must be 'RollingUpdate' or 'OnDelete'")
}

/** As its pods will be: each has a name and claims of its own in place of those here. */
function podsTemplate({ template, volumeClaimTemplates: claims = [] }: StatefulSetSpec): PodTemplateSpec {
  if (!template.spec) return template
  const { hostname: _h, subdomain: _s, ...spec } = template.spec
  const names = [...new Set(claims.map(({ metadata }) => metadata?.name ?? ''))]
  const own = names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } }))
  const others = (spec.volumes ?? []).filter(({ name }) => !names.includes(name))
  return { ...template, spec: own.length > 0 ? { ...spec, volumes: [...own, ...others] } : spec }
}

function* podsFaults(spec: StatefulSetSpec): Faults {
  const path = 'spec.template'
  const { selector } = spec
  if ([...labelSelectorFaults('', selector)].length > 0) yield invalidValue('spec.selector', selector, '')
  else {
    const template = podsTemplate(spec)
    yield* ownPodsFaults(path, selector, template)
    yield* templateFaults(path, template)
  }
  yield* lastingFaults(path, spec.template, 'StatefulSet')
}

function* specFaults(spec: StatefulSetSpec): Faults {
  const policy = spec.podManagementPolicy
  if (!policy) yield required('spec.podManagementPolicy')
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    yield invalidValue('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")
  }
  yield* strategyFaults(spec.updateStrategy ?? {})
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = spec.persistentVolumeClaimRetentionPolicy?.[field]
    if (value !== 'Retain' && value !== 'Delete') {
      yield notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value ?? '', ['Retain', 'Delete'])
    }
  }
  for (const [index, claim] of (spec.volumeClaimTemplates ?? []).entries()) {
    yield* claimTemplateSpecFaults(`spec.volumeClaimTemplates[${index}].spec`, claim.spec ?? {})
  }
  yield* nonNegativeFaults('spec.replicas', spec.replicas)
  yield* nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds)
  yield* nonNegativeFaults('spec.ordinals.start', spec.ordinals?.start)
  if (spec.serviceName) yield* dnsLabelFaults('spec.serviceName', spec.serviceName)
  yield* neededSelectorFaults(spec.selector, 'statefulset')
  yield* podsFaults(spec)
}

export const validateStatefulSet = ({ spec }: StatefulSet): FieldError[] => [...specFaults(spec)]

/** All else would need the pods' names or volumes to change under them. */
const changeable = [
  'minReadySeconds',
  'ordinals',
  'persistentVolumeClaimRetentionPolicy',
  'replicas',
  'revisionHistoryLimit',
  'template',
  'updateStrategy',
]

function fixedPart(spec: StatefulSetSpec): object {
  return Object.fromEntries(Object.entries(spec).filter(([field]) => !changeable.includes(field)))
}

export function validateStatefulSetUpdate({ spec }: StatefulSet, previous: StatefulSet): FieldError[] {
  if (deepEqual(fixedPart(spec), fixedPart(previous.spec))) return []
  const fields = "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy'"
  return [forbiddenField('spec', `updates to statefulset spec for fields other than ${fields} and 'minReadySeconds' are forbidden`)]
}

const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas']

export const validateStatefulSetStatus = ({ status }: StatefulSet, previous: StatefulSet): FieldError[] => [
  ...statusCountFaults({ ...status }, ['replicas', ...parts, 'observedGeneration', 'collisionCount']),
  ...partFaults({ ...status }, parts, 'status.readyReplicas'),
  ...collisionFaults({ ...status }, { ...previous.status }),
]
