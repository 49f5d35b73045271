import { PolicyEnvironment } from '../api/admissionregistration/policy-expressions.ts'
import type { ExpressionWarning, NamedRuleWithOperations, ValidatingAdmissionPolicy } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { kinds } from '../api/registry.ts'
import { celTypeOf } from '../machinery/cel/schema-types.ts'
import { apiVersionOf } from '../machinery/group-version.ts'

/** More kinds than these are not looked at, of one policy. */
const maxKinds = 10

/**
 * What is wrong with a policy's expressions, given what is known of the kinds that it names: they compile, as objects may
 * be anything to them, but would fail when they run.
 */
export function typeWarnings({ spec }: ValidatingAdmissionPolicy): ExpressionWarning[] {
  const named = namedKinds(spec?.matchConstraints?.resourceRules ?? [])
  const paramKind = spec?.paramKind
  const ofParams =
    paramKind && (kinds as readonly Kind[]).find((one) => one.kind === paramKind.kind && apiVersionOf(one) === paramKind.apiVersion)
  const params = ofParams && { params: celTypeOf(ofParams.schema) }
  const environments = named.map((kind) => ({
    kind,
    environment: new PolicyEnvironment(spec ?? {}, { object: celTypeOf(kind.schema), ...params }),
  }))
  const warning = (fieldRef: string, expression: string | undefined): ExpressionWarning[] => {
    const told = environments.flatMap(({ kind, environment }) => {
      const faults = expression && environment.faultsOf(expression)
      return faults ? [`${kind.group}/${kind.version}, Kind=${kind.kind}: ${faults}\n`] : []
    })
    return told.length > 0 ? [{ fieldRef, warning: told.join('\n') }] : []
  }
  return (spec?.validations ?? []).flatMap(({ expression, messageExpression }, index) => [
    ...warning(`spec.validations[${index}].expression`, expression),
    ...warning(`spec.validations[${index}].messageExpression`, messageExpression),
  ])
}

/** Those that rules name in full, in the order of their names: wildcards and subresources tell of no type. */
function namedKinds(rules: readonly NamedRuleWithOperations[]): Kind[] {
  const isNamed = (names: readonly string[] = []): boolean => names.length > 0 && !names.some((name) => name.includes('*'))
  const found = rules
    .filter(({ apiGroups, apiVersions }) => isNamed(apiGroups) && isNamed(apiVersions))
    .flatMap(({ apiGroups = [], apiVersions = [], resources = [] }) =>
      (kinds as readonly Kind[]).filter(
        ({ group, version, plural }) => apiGroups.includes(group) && apiVersions.includes(version) && resources.includes(plural),
      ),
    )
  const nameOf = ({ group, version, kind }: Kind): string => `${group}/${version}/${kind}`
  return [...new Set(found)].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).slice(0, maxKinds)
}
