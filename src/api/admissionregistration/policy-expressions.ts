import { type Compilation, compile, type Environment, type Program } from '../../machinery/cel/compile.ts'
import { kubernetesFunctions, patchFunctions } from '../../machinery/cel/kubernetes-functions.ts'
import { authorizerTypeName, resourceCheckTypeName } from '../../machinery/cel/library/authorizer.ts'
import {
  bool,
  type CelType,
  declaredName,
  dyn,
  int,
  listOf,
  mapOf,
  nullType,
  objectOf,
  objectType,
  opaque,
  string,
  timestamp,
} from '../../machinery/cel/types.ts'
import type { MutatingAdmissionPolicySpec, ValidatingAdmissionPolicySpec } from '../generated/types.ts'

type PolicySpec = ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec

/** What is known of the objects that a policy is about; absent: nothing. */
export interface ObjectTypes {
  readonly object?: CelType
  readonly params?: CelType
}

/** An expression as it runs, or what is wrong with it in upstream's words. */
export type Compiled = { readonly program: Program; readonly fault?: never } | { readonly program?: never; readonly fault: string }

export interface CompiledVariable {
  readonly name: string
  readonly compiled: Compiled
}

const texts = listOf(string)
const groupKind = objectOf('kubernetes.GroupVersionKind', { group: string, version: string, kind: string })
const groupResource = objectOf('kubernetes.GroupVersionResource', { group: string, version: string, resource: string })
const userInfo = objectOf('kubernetes.UserInfo', { username: string, uid: string, groups: texts, extra: mapOf(string, texts) })

const requestType = objectOf('kubernetes.AdmissionRequest', {
  kind: groupKind,
  resource: groupResource,
  subResource: string,
  requestKind: groupKind,
  requestResource: groupResource,
  requestSubResource: string,
  name: string,
  namespace: string,
  operation: string,
  userInfo,
  dryRun: bool,
  options: dyn,
})

const namespaceType = objectOf('kubernetes.Namespace', {
  metadata: objectOf('kubernetes.NamespaceMetadata', {
    name: string,
    generateName: string,
    namespace: string,
    labels: mapOf(string, string),
    annotations: mapOf(string, string),
    UID: string,
    creationTimestamp: timestamp,
    deletionGracePeriodSeconds: int,
    deletionTimestamp: timestamp,
    generation: int,
    resourceVersion: string,
    finalizers: texts,
  }),
  spec: objectOf('kubernetes.NamespaceSpec', { finalizers: texts }),
  status: objectOf('kubernetes.NamespaceStatus', {
    conditions: listOf(
      objectOf('kubernetes.NamespaceCondition', {
        status: string,
        type: string,
        lastTransitionTime: timestamp,
        message: string,
        reason: string,
      }),
    ),
    phase: string,
  }),
})

const reviewer: readonly (readonly [string, CelType])[] = [
  ['authorizer', opaque(authorizerTypeName)],
  ['authorizer.requestResource', opaque(resourceCheckTypeName)],
]

const anyFields = (name: string): CelType => objectType(name, () => dyn)
const objectToApply = anyFields('Object')
const patchOperation = objectOf('JSONPatch', { op: string, path: string, from: string, value: dyn })

/** `Object{spec: Object.spec{…}}` and `JSONPatch{op: …}`: whether the names go with the fields is seen when they are put to use. */
function patchTypes(name: string): CelType | undefined {
  if (name === 'JSONPatch') return patchOperation
  return name === 'Object' || name.startsWith('Object.') ? anyFields(name) : undefined
}

/** What the expressions of one policy may speak of; each of its variables may speak of those before it. */
export class PolicyEnvironment {
  /** Those of the policy, in their order. */
  readonly variables: readonly CompiledVariable[]
  readonly #withAuthorizer: Environment
  readonly #plain: Environment
  readonly #patching: Environment

  constructor({ paramKind, variables = [] }: Pick<PolicySpec, 'paramKind' | 'variables'>, types: ObjectTypes = {}) {
    const known = new Map<string, CelType>()
    const common: readonly (readonly [string, CelType])[] = [
      ['object', types.object ?? dyn],
      ['oldObject', types.object ?? dyn],
      ['request', requestType],
      ['namespaceObject', namespaceType],
      ...(paramKind ? [['params', types.params ?? dyn] as const] : []),
      ['variables', objectType('kubernetes.variables', (name) => known.get(name))],
    ]
    this.#plain = { functions: kubernetesFunctions, variables: new Map(common) }
    this.#withAuthorizer = { functions: kubernetesFunctions, variables: new Map([...common, ...reviewer]) }
    this.#patching = { ...this.#withAuthorizer, functions: patchFunctions, structs: patchTypes }
    this.variables = variables.map((variable) => {
      const compiled = this.compile(variable.expression)
      known.set(variable.name, compiled.program?.type ?? dyn)
      return { name: variable.name, compiled }
    })
  }

  /** `results`: the types that it may come to, absent: any. */
  compile(expression: string, results?: readonly CelType[], withAuthorizer = true): Compiled {
    return checkedResult(compile(expression, withAuthorizer ? this.#withAuthorizer : this.#plain), results)
  }

  /** What is wrong with an expression, whatever it comes to. */
  faultsOf(expression: string): string | undefined {
    return compile(expression, this.#withAuthorizer).faults
  }

  condition(expression: string): Compiled {
    return this.compile(expression, [bool])
  }

  /** Messages are told to whoever asks: they say nothing of what others may do. */
  message(expression: string): Compiled {
    return this.compile(expression, [string], false)
  }

  /** What a mutation applies: fields of the object. */
  applyConfiguration(expression: string): Compiled {
    return checkedResult(compile(expression, this.#patching), [objectToApply])
  }

  jsonPatch(expression: string): Compiled {
    return checkedResult(compile(expression, this.#patching), [listOf(patchOperation)])
  }

  annotation(expression: string): Compiled {
    return this.compile(expression, [string, nullType])
  }
}

function checkedResult(compilation: Compilation, results: readonly CelType[] | undefined): Compiled {
  const { program, faults } = compilation
  if (!program) return { fault: `compilation failed: ${faults}` }
  const given = declaredName(program.type)
  const wanted = results?.map(declaredName)
  if (!wanted || wanted.includes(given)) return { program }
  const expected = wanted.length === 1 ? wanted[0] : `one of [${wanted.join(' ')}]`
  return { fault: `must evaluate to ${expected} but got ${given}` }
}
