import type { ParamKind, ParamRef } from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import { kinds } from '../../../api/registry.ts'
import { apiVersionOf } from '../../../machinery/group-version.ts'
import { labelSelectorMatcher } from '../../../machinery/label-selector.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import type { AdmissionFacts } from '../plugin.ts'

/** A policy or binding that cannot be put to use as it is. */
export class ConfigurationError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigurationError'
  }
}

const kindOf = ({ apiVersion, kind }: ParamKind): Kind | undefined =>
  (kinds as readonly Kind[]).find((one) => one.kind === kind && apiVersionOf(one) === apiVersion)

/**
 * The objects that a binding gives its policy, each for an evaluation of its own; undefined stands for none at all.
 * `namespace`: of the request. Throws {@link ConfigurationError}.
 */
export function paramsOf(
  paramKind: ParamKind | undefined,
  paramRef: ParamRef | undefined,
  namespace: string,
  facts: Pick<AdmissionFacts, 'get' | 'list'>,
): readonly (KubeObject | undefined)[] {
  if (!paramKind || !paramRef) return [undefined]
  const kind = kindOf(paramKind)
  if (!kind) {
    throw new ConfigurationError(`paramKind kind \`&ParamKind{APIVersion:${paramKind.apiVersion},Kind:${paramKind.kind},}\` not known`)
  }
  const where = kind.namespaced ? paramRef.namespace || namespace : undefined
  if (where === '') throw new ConfigurationError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources')
  if (!kind.namespaced && paramRef.namespace) {
    throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`')
  }
  const found = referredTo(paramRef, kind, where, facts)
  if (found.length === 0 && paramRef.parameterNotFoundAction === 'Deny') {
    throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction')
  }
  return found
}

function referredTo(
  { name, selector }: ParamRef,
  kind: Kind,
  namespace: string | undefined,
  facts: Pick<AdmissionFacts, 'get' | 'list'>,
): readonly KubeObject[] {
  const stored = kind.storedAs?.kind ?? kind
  const shown = (object: KubeObject): KubeObject => kind.storedAs?.fromStored(structuredClone(object)) ?? object
  if (name) {
    const found = facts.get(stored, namespace, name)
    return found ? [shown(found)] : []
  }
  const matches = labelSelectorMatcher(selector)
  return facts
    .list(stored, namespace)
    .filter(({ metadata }) => matches(metadata.labels))
    .map(shown)
}
