import type { Kind } from '../../../api/kind.ts'
import { kinds, namespaces } from '../../../api/registry.ts'
import { systemClock } from '../../../host/clock.ts'
import { systemRandom } from '../../../host/random.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import type { AdmissionFacts, AdmissionRequest } from '../plugin.ts'
import { PolicyChecks } from '../policies/policy-checks.ts'

type Loose = { kind: string; metadata: { name: string; namespace?: string; [field: string]: unknown }; [field: string]: unknown }

/** Facts that are the given objects; those that lack a namespace and could have one are in `default`. */
export function factsOf(...objects: readonly Loose[]): AdmissionFacts {
  const all = [{ kind: 'Namespace', metadata: { name: 'default' } }, ...objects]
  const of = (kind: Kind, namespace: string | undefined): KubeObject[] =>
    all.filter(
      (one) =>
        one.kind === kind.kind && (!kind.namespaced || namespace === undefined || (one.metadata.namespace ?? 'default') === namespace),
    ) as unknown as KubeObject[]
  return {
    get: <T extends KubeObject>(kind: Kind<T>, namespace: string | undefined, name: string) =>
      of(kind as unknown as Kind, namespace).find(({ metadata }) => metadata.name === name) as T | undefined,
    list: <T extends KubeObject>(kind: Kind<T>, namespace: string | undefined) => of(kind as unknown as Kind, namespace) as T[],
    states: <T extends KubeObject>(kind: Kind<T>) => of(kind as unknown as Kind, undefined).map((object) => ({ object: object as T })),
    policyChecks: new PolicyChecks(systemClock),
    random: systemRandom,
    allows: () => true,
    reasonFor: () => '',
    makeNamespace: async () => {},
    checkEscalation: () => {},
  }
}

const admin = { name: 'admin', uid: '', groups: ['system:masters'], extra: {} }

/** The creation of an object, or its update where `previous` is given, in the namespace `default`. */
export function requestOf(object: Loose, previous?: Loose): AdmissionRequest {
  const kind =
    (kinds as readonly Kind[]).find((one) => one.kind === object.kind && one.storedAs === undefined) ?? (namespaces as unknown as Kind)
  return {
    user: admin,
    kind,
    operation: previous ? 'update' : 'create',
    subresource: undefined,
    namespace: kind.namespaced ? 'default' : undefined,
    name: object.metadata.name,
    object: object as unknown as KubeObject,
    previous: previous as unknown as KubeObject | undefined,
    warnings: new Set(),
    dryRun: false,
    audit: undefined,
  }
}

/** What the plug-in says of it: the refusal's message, else undefined. */
export function refusalOf(step: (() => void) | undefined): string | undefined {
  try {
    step?.()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
