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
        'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
      ],
    ],
    [
      'at a place of too many parts',
      hook({ clientConfig: { url: 'https://me:x@h/p?q=1#f' } }),
      [
        'webhooks[0].clientConfig.url: Invalid value: "me:x": user information is not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "f": fragments are not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "q=1": query parameters are not permitted in the URL',
      ],
    ],
    [
      'at a path of empty parts',
      hook({ clientConfig: { service: { name: 's', namespace: 'n', path: '/a//b' } } }),
      ['webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty'],
    ],
    [
      'of resources that say one another',
      hook({ rules: [{ ...rule, resources: ['pods/*', 'pods/log', '*/*', '*', 'nodes'] }] }),
      [
        'webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if \'pods/*\' is present, must not specify pods/log',
        'webhooks[0].rules[0].resources: Invalid value: ["pods/*","pods/log","*/*","*","nodes"]: if \'*/*\' is present, must not specify other resources',
        'webhooks[0].rules[0].resources: Invalid value: ["pods/*","pods/log","*/*","*","nodes"]: if \'*\' is present, must not specify other resources without subresources',
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
      'with a condition that cannot hold',
      hook({
        matchConditions: [
          { name: 'c', expression: 'object.spec' },
          { name: 'd', expression: 'params.x' },
        ],
      }),
      [
        'webhooks[0].matchConditions[0].expression: Invalid value: "object.spec": must evaluate to bool but got dyn',
        `webhooks[0].matchConditions[1].expression: Invalid value: "params.x": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x\n | ^`,
      ],
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
        'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
        'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
      ],
    ],
    [
      'with a message of lines, for a reason of its own',
      policy({ validations: [{ expression: 'true', message: 'a\nb', messageExpression: ' ', reason: 'Because' }] }),
      [
        'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
        'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
        'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
      ],
    ],
    [
      'with parameters of no version',
      policy({ paramKind: { apiVersion: 'a/b/c', kind: '1' } }),
      [
        'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        expect.stringMatching(
          /^spec.paramKind.kind: Invalid value: "1": may have mixed case, but should otherwise match: a DNS-1035 label/,
        ),
      ],
    ],
    [
      'that annotates twice',
      policy({
        auditAnnotations: [
          { key: 'a', valueExpression: "'1'" },
          { key: 'a', valueExpression: ' ' },
        ],
      }),
      [
        'spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified',
        'spec.auditAnnotations[1].key: Duplicate value: "a"',
      ],
    ],
    [
      'with an odd variable',
      policy({ variables: [{ name: 'a-b', expression: '1' }] }),
      ['spec.variables[0].name: Invalid value: "a-b": must be a valid CEL identifier'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(validatingAdmissionPolicies, fields)).toEqual(faults)
  })

  test('that changes objects says how', () => {
    const mutating = (mutations: object[]): string[] =>
      faultsOf(mutatingAdmissionPolicies, { spec: { matchConstraints: { resourceRules: [rule] }, mutations } })
    expect(mutating([{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/a"}]' } }])).toEqual([])
    expect(mutating([{ patchType: 'JSONPatch' }])).toEqual([
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
    ])
    expect(mutating([])).toEqual(['spec.mutations: Required value: mutations must contain at least one item'])
  })

  test('is put to use by a binding that says what follows', () => {
    const binding = (spec: object): string[] =>
      faultsOf(validatingAdmissionPolicyBindings, { spec: { policyName: 'one', validationActions: ['Deny'], ...spec } })
    expect(binding({})).toEqual([])
    expect(binding({ policyName: '', validationActions: [] })).toEqual([
      'spec.policyName: Required value',
      'spec.validationActions: Required value: at least one validation action is required',
    ])
    expect(binding({ validationActions: ['Deny', 'Warn'] })).toEqual([expect.stringContaining('must not contain both Deny and Warn')])
    expect(binding({ paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Deny' } })).toEqual([
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
    ])
  })
})
