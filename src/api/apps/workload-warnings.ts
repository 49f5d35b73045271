import { deepEqual } from '../../machinery/equality.ts'
import { dnsLabelFaults } from '../../machinery/names.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { templateWarnings } from '../core/pod-warnings.ts'
import type { PodTemplateSpec } from '../generated/types.ts'

type Maker = KubeObject & { spec?: { template?: PodTemplateSpec } }

/** Of an object whose name becomes part of its pods' names. */
export function podNameWarnings({ metadata }: KubeObject): string[] {
  const faults = dnsLabelFaults(metadata.name)
  if (faults.length === 0) return []
  const why = 'this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended'
  return [`metadata.name: ${why}: [${faults.join(' ')}]`]
}

/** Of the pods that it makes; a change elsewhere says nothing of them again. */
export const madePodsWarnings = <T extends Maker>(object: T, previous: T | undefined): string[] =>
  previous && deepEqual(object.spec, previous.spec) ? [] : templateWarnings('spec.template', object.spec?.template)

export const namedPodsWarnings = <T extends Maker>(object: T, previous: T | undefined): string[] => [
  ...(previous ? [] : podNameWarnings(object)),
  ...madePodsWarnings(object, previous),
]
