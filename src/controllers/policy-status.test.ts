import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { validatingAdmissionPolicies } from '../api/admissionregistration/admission-policies.ts'
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec } from '../api/generated/types.ts'
import { typeWarnings } from './policy-typing.ts'
import { ControlPlane } from './testing/control-plane.ts'

const deployments = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }
const policy = (spec: ValidatingAdmissionPolicySpec): ValidatingAdmissionPolicy => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name: 'p' } as ValidatingAdmissionPolicy['metadata'],
  spec: { matchConstraints: { resourceRules: [deployments] }, ...spec },
})
const warningsOf = (expression: string, more: ValidatingAdmissionPolicySpec = {}): string[] =>
  typeWarnings(policy({ validations: [{ expression }], ...more })).map(({ warning }) => warning)

describe('expressions that do not go with the kinds they are about', () => {
  it.each<[expression: string]>([
    ['object.spec.replicas > 1'],
    ["object.metadata.name.startsWith('a') && object.metadata.labels['x'] == 'y'"],
    [
      'object.spec.template.spec.containers.all(c, has(c.resources.limits) && quantity(c.resources.limits["cpu"]).isLessThan(quantity("1")))',
    ],
    ["object.metadata.creationTimestamp < timestamp('2024-01-01T00:00:00Z')"],
    ['object.spec.strategy.rollingUpdate.maxSurge == "25%" || object.spec.strategy.rollingUpdate.maxSurge == 1'],
    ['object.metadata.__namespace__ == "default"'],
    ["request.userInfo.groups.exists(g, g == 'a') && namespaceObject.metadata.labels.exists(l, l == 'x')"],
    ["authorizer.group('').resource('pods').check('create').allowed()"],
  ])('%s does', (expression) => expect(warningsOf(expression)).toEqual([]))

  it.each<[expression: string, fault: string]>([
    ["object.spec.replicas > '1'", "1:22: found no matching overload for '_>_' applied to '(int, string)'"],
    ['object.spec.replica > 1', "1:12: undefined field 'replica'"],
    ['object.spec.template.spec.containers.all(c, c.nope)', "1:46: undefined field 'nope'"],
    ['object.spec.paused == 1', "1:20: found no matching overload for '_==_' applied to '(bool, int)'"],
    ['object.metadata.name.size() > object.metadata.name', "1:29: found no matching overload for '_>_' applied to '(int, string)'"],
  ])('%s does not', (expression, fault) => {
    expect(warningsOf(expression)).toEqual([expect.stringMatching(/^apps\/v1, Kind=Deployment: ERROR: <input>:/)])
    expect(warningsOf(expression)[0]).toContain(fault)
  })

  it('are told for each kind', () => {
    const rules = [{ ...deployments, apiGroups: ['apps', ''], resources: ['deployments', 'pods', 'replicasets/scale'] }]
    const [warning] = warningsOf('object.spec.replicas > 0', { matchConstraints: { resourceRules: rules } })
    expect(warning).toBe("/v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'replicas'\n | object.spec.replicas > 0\n | ...........^\n")
  })

  it('are not known of wildcards', () => {
    expect(warningsOf('object.nope', { matchConstraints: { resourceRules: [{ ...deployments, apiGroups: ['*'] }] } })).toEqual([])
  })

  it('may go wrong by a variable or a parameter', () => {
    const variables = [{ name: 'replicas', expression: 'object.spec.replicas' }]
    expect(warningsOf("variables.replicas == 'x'", { variables })[0]).toContain("applied to '(int, string)'")
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' }
    expect(warningsOf('params.data.max == 1', { paramKind })[0]).toContain("applied to '(string, int)'")
  })
})

describe('the status of a policy', () => {
  let plane: ControlPlane
  beforeEach(async () => {
    plane = await ControlPlane.start()
  })
  afterEach(() => plane.close())

  it('tells what was found of each generation', async () => {
    const policies = plane.client.resource<ValidatingAdmissionPolicy>(validatingAdmissionPolicies)
    const messageExpression = "'wants replicas > 1, got ' + object.spec.replicas"
    const made = await policies.create(policy({ validations: [{ expression: "object.spec.replicas > '1'", messageExpression }] }))
    await plane.rest()
    const { status } = await policies.get('p')
    expect(status?.observedGeneration).toBe(1)
    expect(status?.typeChecking?.expressionWarnings).toEqual([
      { fieldRef: 'spec.validations[0].expression', warning: expect.stringContaining("'_>_' applied to '(int, string)'") },
      { fieldRef: 'spec.validations[0].messageExpression', warning: expect.stringContaining("'_+_' applied to '(string, int)'") },
    ])
    const fresh = await policies.get(made.metadata.name)
    await policies.update({ ...fresh, spec: { ...fresh.spec, validations: [{ expression: 'object.spec.replicas > 1' }] } })
    await plane.rest()
    expect((await policies.get('p')).status).toEqual({ observedGeneration: 2, typeChecking: {} })
    expect(plane.errors).toEqual([])
  })
})
