import { type FieldError, forbiddenField, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsLabelFaults, domainPrefixedPathFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { IngressClass, IngressClassParametersReference } from '../generated/types.ts'
import { referenceFaults } from './ingress-validation.ts'

const maxControllerLength = 250

function parametersText({ spec }: IngressClass): string {
  if (!spec?.parameters) return none
  const { kind, apiGroup, name } = spec.parameters
  return `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}`
}

function* parametersFaults(path: string, parameters: IngressClassParametersReference): Faults {
  const { scope, namespace } = parameters
  yield* referenceFaults(path, parameters)
  if (!scope) yield required(`${path}.scope`)
  else if (scope !== 'Cluster' && scope !== 'Namespace') yield notSupported(`${path}.scope`, scope, ['Cluster', 'Namespace'])
  if (scope === 'Namespace') {
    if (namespace === undefined) yield required(`${path}.namespace`, "`parameters.scope` is set to 'Namespace'")
    else yield* dnsLabelFaults(`${path}.namespace`, namespace)
  }
  if (scope === 'Cluster' && namespace !== undefined) yield forbiddenField(`${path}.namespace`, "`parameters.scope` is set to 'Cluster'")
}

function* ingressClassFaults({ spec = {} }: IngressClass): Faults {
  const { controller = '', parameters } = spec
  if (controller.length > maxControllerLength) yield tooLong('spec.controller', maxControllerLength)
  yield* domainPrefixedPathFaults('spec.controller', controller)
  if (parameters) yield* parametersFaults('spec.parameters', parameters)
}

export const ingressClasses = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  namespaced: false,
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Controller', 'string', 'Who serves ingresses of this class.', ({ spec }) => spec?.controller ?? ''),
    column('Parameters', 'string', 'Further settings of the controller.', parametersText),
    ageColumn,
  ],
  setDefaults: (one) => {
    one.spec ??= {}
    if (one.spec.parameters) one.spec.parameters.scope ??= 'Cluster'
  },
  validate: (one): FieldError[] => [...ingressClassFaults(one)],
  validateUpdate: (one, previous) => [...immutableFaults('spec.controller', one.spec?.controller, previous.spec?.controller)],
})
