import { describe, expect, test } from 'vitest'
import { type Case, created, faultsOf } from '../testing/kind-cases.ts'
import { mutatingAdmissionPolicies, validatingAdmissionPolicies } from './admission-policies.ts'
import { validatingAdmissionPolicyBindings } from './policy-bindings.ts'
import { mutatingWebhookConfigurations, validatingWebhookConfigurations } from './webhook-configurations.ts'

const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }
const hook = (fields: object): Record<string, unknown> => ({
  webhooks: [
    {
      name: 'a.example.com',
      clientConfig: { url: 'https://h/p' },
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      rules: [rule],
      ...fields,
    },
  ],
})

describe('a webhook', () => {
  test('is filled in', () => {
    const { webhooks } = created(mutatingWebhookConfigurations, hook({ clientConfig: { service: { namespace: 'n', name: 's' } } }))
    expect(webhooks?.[0]).toMatchObject({
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      timeoutSeconds: 10,
      reinvocationPolicy: 'Never',
      clientConfig: { service: { port: 443 } },
      rules: [{ scope: '*' }],
    })
  })

  test.each<Case>([
    ['that is sound', hook({}), []],
    [
      'of too short a name',
      hook({ name: 'a.b' }),
      ['webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'],
    ],
    [
      'that is nowhere',
      hook({ clientConfig: {} }),
      ['webhooks[0].clientConfig: Required value: exactly one of url or service is required'],
    ],
    [
      'without TLS',
      hook({ clientConfig: { url: 'http://h/p' } }),
      [
        'webhooks[0].clientConfig.url: Invalid value: "http://h/p": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
      ],
    ],
    [
      'with unknown effects',
      hook({ sideEffects: 'Some' }),
      ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
    ],
    [
      'that takes too long',
      hook({ timeoutSeconds: 31 }),
      ['webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
    ],
    [
      'that speaks no version we know',
      hook({ admissionReviewVersions: ['v9'] }),
      ['webhooks[0].admissionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1'],
    ],
    [
      'for everything and more',
      hook({ rules: [{ ...rule, operations: ['*', 'CREATE'] }] }),
      ['webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations'],
    ],
    [
      'under a name that is taken',
      { webhooks: [...(hook({}).webhooks as object[]), ...(hook({}).webhooks as object[])] },
      ['webhooks[1].name: Duplicate value: "a.example.com"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(validatingWebhookConfigurations, fields)).toEqual(faults)
  })
})

const policy = (spec: object): Record<string, unknown> => ({
  spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'true' }], ...spec },
})

describe('a policy', () => {
  test.each<Case>([
    ['that is sound', policy({}), []],
    ['for nothing', { spec: { validations: [{ expression: 'true' }] } }, ['spec.matchConstraints: Required value']],
    [
      'of nothing',
      policy({ validations: [] }),
      [
        'spec.validations: Required value: validations or auditAnnotations must be specified',
        'spec.auditAnnotations: Required value: validations or auditAnnotations must be specified',
      ],
    ],
    [
      'with an odd variable',
      policy({ variables: [{ name: 'a-b', expression: '1' }] }),
      ['spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(validatingAdmissionPolicies, fields)).toEqual(faults)
  })

  test('that changes objects says how', () => {
    const mutating = (mutations: object[]): string[] =>
      faultsOf(mutatingAdmissionPolicies, { spec: { matchConstraints: { resourceRules: [rule] }, mutations } })
    expect(mutating([{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }])).toEqual([])
    expect(mutating([{ patchType: 'JSONPatch' }])).toEqual([
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
    ])
    expect(mutating([])).toEqual(['spec.mutations: Required value'])
  })

  test('is put to use by a binding that says what follows', () => {
    const binding = (spec: object): string[] =>
      faultsOf(validatingAdmissionPolicyBindings, { spec: { policyName: 'one', validationActions: ['Deny'], ...spec } })
    expect(binding({})).toEqual([])
    expect(binding({ policyName: '', validationActions: [] })).toEqual([
      'spec.policyName: Required value',
      'spec.validationActions: Required value',
    ])
    expect(binding({ validationActions: ['Deny', 'Warn'] })).toEqual([expect.stringContaining('must not contain both Deny and Warn')])
    expect(binding({ paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Deny' } })).toEqual([
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
    ])
  })
})
