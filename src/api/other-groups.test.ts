import { describe, expect, test } from 'vitest'
import type { FieldError } from '../machinery/field-error.ts'
import { certificateRequests, anyCertificate as pem } from '../machinery/testing/certificate-requests.ts'
import { apiServices } from './apiregistration/api-service.ts'
import { certificateSigningRequests } from './certificates/certificate-signing-request.ts'
import { clusterTrustBundles } from './certificates/cluster-trust-bundle.ts'
import { podCertificateRequests } from './certificates/pod-certificate-request.ts'
import { newEvents } from './events/event.ts'
import { flowSchemas } from './flowcontrol/flow-schema.ts'
import { priorityLevelConfigurations } from './flowcontrol/priority-level-configuration.ts'
import type { CertificateSigningRequest, EventsV1Event } from './generated/types.ts'
import { runtimeClasses } from './node/runtime-class.ts'
import { podDisruptionBudgets } from './policy/pod-disruption-budget.ts'
import { deviceClasses } from './resource/device-class.ts'
import { deviceTaintRules } from './resource/device-taint-rule.ts'
import { resourceClaims } from './resource/resource-claim.ts'
import { resourceSlices } from './resource/resource-slice.ts'
import { priorityClasses } from './scheduling/priority-class.ts'
import { storageVersionMigrations } from './storagemigration/storage-version-migration.ts'
import { type Case, changeFaults, created, faultsOf, statusFaults, warningsOf } from './testing/kind-cases.ts'

describe('a PodDisruptionBudget', () => {
  test.each<Case>([
    ['that is sound', { spec: { maxUnavailable: 1 } }, []],
    [
      'of two rules',
      { spec: { minAvailable: 1, maxUnavailable: 1 } },
      ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'],
    ],
    ['of more than all', { spec: { minAvailable: '110%' } }, ['spec.minAvailable: Invalid value: "110%": must not be greater than 100%']],
    [
      'of an unknown policy',
      { spec: { unhealthyPodEvictionPolicy: 'Never' } },
      ['spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(podDisruptionBudgets, fields)).toEqual(faults)
  })

  test('has a status with reasons', () => {
    const sound = {
      type: 'DisruptionAllowed',
      status: 'True',
      reason: 'SufficientPods',
      message: '',
      lastTransitionTime: '2026-03-01T12:00:00Z',
    }
    const faults = (status: object) => statusFaults(podDisruptionBudgets, {}, status)
    expect(faults({ conditions: [sound] })).toEqual([])
    expect(faults({ conditions: [sound, { ...sound, status: 'Yes', reason: '1st' }, {}], expectedPods: -1 })).toEqual([
      'status.conditions[1].type: Duplicate value: "DisruptionAllowed"',
      'status.conditions[1].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"',
      expect.stringMatching(
        /^status.conditions\[1\].reason: Invalid value: "1st": a condition reason must start with alphabetic character/,
      ),
      'status.conditions[2].type: Required value: is required',
      'status.conditions[2].status: Required value',
      'status.conditions[2].lastTransitionTime: Required value',
      'status.conditions[2].reason: Required value',
      'status.expectedPods: Invalid value: -1: must be greater than or equal to 0',
    ])
  })
})

describe('a PriorityClass', () => {
  test.each<Case>([
    ['that is sound', { value: 5 }, []],
    ['above the system’s', { value: 2_000_000_000 }, ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000']],
    ['of the system', { metadata: { name: 'system-node-critical' }, value: 2_000_001_000 }, []],
    [
      'that pretends to be the system’s',
      { metadata: { name: 'system-mine' }, value: 1 },
      [
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
      ],
    ],
    [
      'of an unknown policy',
      { value: 1, preemptionPolicy: 'Maybe' },
      ['preemptionPolicy: Unsupported value: "Maybe": supported values: "Never", "PreemptLowerPriority"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(priorityClasses, fields)).toEqual(faults)
  })

  test('keeps its value', () => {
    expect(changeFaults(priorityClasses, { value: 1 }, { value: 2 })).toEqual(['value: Forbidden: may not be changed in an update.'])
  })
})

test('a RuntimeClass names its handler for ever', () => {
  expect(faultsOf(runtimeClasses, { handler: 'runc' })).toEqual([])
  expect(faultsOf(runtimeClasses, { handler: 'Run C' })).toEqual([
    expect.stringMatching(/^handler: Invalid value: "Run C": a lowercase RFC 1123 label/),
  ])
  expect(changeFaults(runtimeClasses, { handler: 'a' }, { handler: 'b' })).toEqual(['handler: Invalid value: "b": field is immutable'])
  const twice = { key: 'a', operator: 'Exists' }
  expect(
    faultsOf(runtimeClasses, { handler: 'a', overhead: { podFixed: { cpu: '-1' } }, scheduling: { tolerations: [twice, twice] } }),
  ).toEqual([
    'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    'scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"Exists","Value":"","Effect":"","TolerationSeconds":null}',
  ])
  const old = { handler: 'a', scheduling: { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } } }
  expect(warningsOf(runtimeClasses, old)).toEqual(['scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/os" instead'])
})

const fieldErrorText = ({ field, message }: FieldError): string => `${field}: ${message}`

const request = Buffer.from(certificateRequests.person).toString('base64')
const csr = (spec: object): Record<string, unknown> => ({
  spec: { request, signerName: 'example.com/a', usages: ['client auth'], ...spec },
})

describe('a CertificateSigningRequest', () => {
  test('is of whoever asks, whatever it says', () => {
    const made = created(certificateSigningRequests, csr({ username: 'root', groups: ['system:masters'] }))
    certificateSigningRequests.prepareForCreate(made, { name: 'jane', uid: '7', groups: ['devs'], extra: { a: ['b'] } })
    expect(made.spec).toMatchObject({ username: 'jane', uid: '7', groups: ['devs'], extra: { a: ['b'] } })
    const changed = structuredClone(made)
    changed.spec.username = 'root'
    certificateSigningRequests.prepareForUpdate(changed, made)
    expect(changed.spec.username).toBe('jane')
  })

  test.each<Case>([
    ['that is sound', csr({}), []],
    ['for nothing', csr({ usages: [] }), ['spec.usages: Required value']],
    ['of nobody', csr({ signerName: '' }), ['spec.signerName: Required value']],
    [
      'of somebody without a domain',
      csr({ signerName: 'me' }),
      ['spec.signerName: Invalid value: "me": must be a fully qualified domain and path of the form \'example.com/signer-name\''],
    ],
    [
      'for a moment',
      csr({ expirationSeconds: 60 }),
      ['spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 600 seconds (10 minutes)'],
    ],
    [
      'that is cut off',
      csr({ request: Buffer.from(certificateRequests.person.replace(/MIHY.{40}/, 'MIHY')).toString('base64') }),
      [expect.stringMatching(/^spec.request: Invalid value: "[^"]+": asn1: structure error: malformed certificate request$/)],
    ],
    [
      'that asks for nothing',
      csr({ request: 'bm9uc2Vuc2U=' }),
      ['spec.request: Invalid value: "bm9uc2Vuc2U=": PEM block type must be CERTIFICATE REQUEST'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(certificateSigningRequests, fields)).toEqual(faults)
  })

  test('is approved or denied, for good', () => {
    const decided = (...types: string[]) => ({
      ...created(certificateSigningRequests, csr({})),
      status: { conditions: types.map((type) => ({ type, status: 'True' })) },
    })
    const faults = (now: string[], before: string[]) =>
      certificateSigningRequests.validateStatusUpdate(decided(...now), decided(...before), 'approval').map(({ message }) => message)
    expect(faults(['Approved'], [])).toEqual([])
    expect(faults(['Approved', 'Denied'], ['Approved'])).toEqual([
      'Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
    ])
    expect(faults([], ['Denied'])).toEqual(['Forbidden: updates may not remove a condition of type "Denied"'])
    const text = (...types: string[]) => certificateSigningRequests.columns.at(-1)?.value(decided(...types), 0)
    expect([text(), text('Approved'), text('Denied', 'Failed')]).toEqual(['Pending', 'Approved', 'Denied,Failed'])
  })
})

test('a decision is dated, and the status leaves it', () => {
  const decided = (...types: string[]): ReturnType<typeof created<CertificateSigningRequest>> => ({
    ...created(certificateSigningRequests, csr({})),
    status: { conditions: types.map((type) => ({ type, status: 'True' })) },
  })
  const approved = decided('Approved')
  certificateSigningRequests.prepareForStatusUpdate(approved, decided(), { part: 'approval', time: '2026-03-01T12:00:00Z' })
  expect(approved.status?.conditions?.[0]).toMatchObject({
    lastUpdateTime: '2026-03-01T12:00:00Z',
    lastTransitionTime: '2026-03-01T12:00:00Z',
  })
  const failed = decided('Approved', 'Failed')
  certificateSigningRequests.prepareForStatusUpdate(failed, approved, { part: 'status', time: '2026-03-01T13:00:00Z' })
  expect(failed.status?.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
    ['Approved', '2026-03-01T12:00:00Z'],
    ['Failed', '2026-03-01T13:00:00Z'],
  ])
  const faults = certificateSigningRequests.validateStatusUpdate(decided('Approved'), decided(), 'status')
  expect(faults.map(fieldErrorText)).toEqual(['status.conditions: Forbidden: updates may not add a condition of type "Approved"'])
})

test('a certificate stays as it was issued', () => {
  const issued = (text?: string): ReturnType<typeof created<CertificateSigningRequest>> => ({
    ...created(certificateSigningRequests, csr({})),
    status: text === undefined ? {} : { certificate: Buffer.from(text).toString('base64') },
  })
  const faults = (before: string | undefined, after: string | undefined): string[] =>
    certificateSigningRequests.validateStatusUpdate(issued(after), issued(before), 'status').map(fieldErrorText)
  expect(faults(undefined, pem)).toEqual([])
  expect(faults(pem, pem)).toEqual([])
  expect(faults(pem, `${pem}${pem}`)).toEqual(['status.certificate: Forbidden: updates may not modify existing certificate content'])
  expect(faults(undefined, 'nonsense')).toEqual([
    'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
  ])
})

test('a ClusterTrustBundle is named for its signer', () => {
  const bundle = (name: string, spec: object): string[] =>
    faultsOf(clusterTrustBundles, { metadata: { name }, spec: { trustBundle: pem, ...spec } })
  expect(bundle('mine', {})).toEqual([])
  expect(bundle('example.com:a:one', { signerName: 'example.com/a' })).toEqual([])
  expect(bundle('one', { signerName: 'example.com/a' })).toEqual([
    'metadata.name: Invalid value: "one": ClusterTrustBundle for signerName example.com/a must be named with prefix example.com:a:',
  ])
  const anchors = (trustBundle: string): string[] =>
    bundle('one', { trustBundle }).map((fault) => fault.replace('spec.trustBundle: Invalid value: "<value omitted>": ', ''))
  expect(anchors('')).toEqual(['at least one trust anchor must be provided'])
  expect(anchors(`${pem}${pem}`)).toEqual(['duplicate trust anchor (indices [0 1])'])
  expect(anchors(`${pem}${certificateRequests.person}`)).toEqual(['entry 1 has bad block type: CERTIFICATE REQUEST'])
  expect(anchors('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n')).toEqual(['entry 0 does not parse as X.509'])
})

test('a PodCertificateRequest says whose it is, and holds for a day', () => {
  const spec = {
    signerName: 'example.com/a',
    podName: 'p',
    podUID: 'u',
    serviceAccountName: 's',
    serviceAccountUID: 'u',
    nodeName: 'n',
    nodeUID: 'u',
    stubPKCS10Request: 'MIIB',
  }
  expect(created(podCertificateRequests, { spec }).spec.maxExpirationSeconds).toBe(86400)
  expect(faultsOf(podCertificateRequests, { spec })).toEqual([])
  expect(faultsOf(podCertificateRequests, { spec: { ...spec, podUID: '', maxExpirationSeconds: 60 } })).toEqual([
    'spec.podUID: Required value: podUID must not be empty',
    'spec.maxExpirationSeconds: Invalid value: 60: must be in the range [3600, 7862400]',
  ])
})

test('an Event of the newer group is one of the core group under other names', () => {
  const event = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'default' },
    eventTime: '2026-03-01T12:00:00.000000Z',
    note: 'n',
    regarding: { kind: 'Pod', name: 'web' },
    reportingController: 'c',
    deprecatedCount: 2,
  } as unknown as EventsV1Event
  const stored = newEvents.storedAs?.toStored(event)
  expect(stored).toMatchObject({
    apiVersion: 'v1',
    message: 'n',
    involvedObject: { kind: 'Pod', name: 'web' },
    reportingComponent: 'c',
    count: 2,
  })
  expect(newEvents.storedAs?.fromStored(stored as never)).toEqual(event)
  expect(newEvents.selectableFields['regarding.name']?.(stored as never)).toBe('web')
  expect(newEvents.columns.find(({ name }) => name === 'Object')?.value(event, 0)).toBe('pod/web')
})

describe('a PriorityLevelConfiguration', () => {
  const limited = (fields: object): Record<string, unknown> => ({
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' }, ...fields } },
  })
  test('is filled in', () => {
    expect(created(priorityLevelConfigurations, limited({ limitResponse: { type: 'Queue', queuing: {} } })).spec?.limited).toEqual({
      nominalConcurrencyShares: 30,
      lendablePercent: 0,
      limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
    })
  })

  test.each<Case>([
    ['that is sound', limited({}), []],
    [
      'that lends more than it has',
      limited({ lendablePercent: 101 }),
      ['spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive'],
    ],
    [
      'whose hand is too large',
      limited({ limitResponse: { type: 'Queue', queuing: { queues: 2, handSize: 3 } } }),
      ['spec.limited.limitResponse.queuing.handSize: Invalid value: 3: should not be greater than queues (2)'],
    ],
    [
      'of more hands than there is chance',
      limited({ limitResponse: { type: 'Queue', queuing: { queues: 1024, handSize: 7 } }, borrowingLimitPercent: -1 }),
      [
        'spec.limited.limitResponse.queuing.handSize: Invalid value: 7: required entropy bits of deckSize 1024 and handSize 7 should not be greater than 60',
        'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
      ],
    ],
    [
      'that is exempt under another name',
      { spec: { type: 'Exempt' } },
      ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if `name` is 'exempt'"],
    ],
    [
      'of limits that are not there',
      { spec: { type: 'Limited' } },
      ['spec.limited: Required value: must not be empty when type is Limited'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(priorityLevelConfigurations, fields)).toEqual(faults)
  })
})

test('a FlowSchema says whose requests go to which level', () => {
  const rule = { subjects: [{ kind: 'User', user: { name: 'jane' } }], nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/'] }] }
  const schema = (fields: object): string[] =>
    faultsOf(flowSchemas, { spec: { priorityLevelConfiguration: { name: 'one' }, rules: [rule], ...fields } })
  expect(schema({})).toEqual([])
  expect(created(flowSchemas, { spec: {} }).spec?.matchingPrecedence).toBe(1000)
  expect(schema({ priorityLevelConfiguration: {}, matchingPrecedence: 20000 })).toEqual([
    'spec.matchingPrecedence: Invalid value: 20000: must not be greater than 10000',
    'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
  ])
  expect(schema({ rules: [{ subjects: [{ kind: 'User' }] }] })).toEqual([
    "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
    'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
  ])
})

test('a FlowSchema’s rules name what there is', () => {
  const faults = (fields: object): string[] =>
    faultsOf(flowSchemas, { spec: { priorityLevelConfiguration: { name: 'one' }, rules: [fields] } }).map((fault) =>
      fault.replace('spec.rules[0].', ''),
    )
  const subjects = [{ kind: 'User', user: { name: 'jane' } }]
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }
  expect(faults({ subjects, resourceRules: [everything] })).toEqual([])
  expect(
    faults({
      subjects: [
        { kind: 'User', user: {}, group: { name: 'a' } },
        { kind: 'ServiceAccount', serviceAccount: { name: '*' } },
        { kind: 'Robot' },
      ],
      resourceRules: [{ verbs: ['shout'], apiGroups: ['*', 'a'], resources: ['*', 'pods'], namespaces: ['A'] }],
      nonResourceRules: [{ verbs: ['*', 'get'], nonResourceURLs: ['a', '/a b', '//', '/*/a', '/a/*'] }],
    }),
  ).toEqual([
    'subjects[0].user.name: Required value',
    "subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
    'subjects[1].serviceAccount.namespace: Required value: must specify namespace for service account',
    'subjects[2].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"',
    'resourceRules[0].verbs: Unsupported value: ["shout"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
    'resourceRules[0].apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other api groups',
    'resourceRules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources',
    expect.stringMatching(
      /^resourceRules\[0\].namespaces\[0\]: Invalid value: "A": each member of this list must be '\*' or a DNS-1123 label; /,
    ),
    'nonResourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
    'nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash',
    'nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a b": must not contain white-space',
    'nonResourceRules[0].nonResourceURLs[2]: Invalid value: "//": must not contain double slash',
    'nonResourceRules[0].nonResourceURLs[3]: Invalid value: "/*/a": wildcard can only do suffix matching',
  ])
  expect(statusFaults(flowSchemas, {}, { conditions: [{ type: 'Dangling' }, { type: 'Dangling' }, {}] })).toEqual([
    'status.conditions[1].type: Duplicate value: "Dangling"',
    'status.conditions[2].type: Required value: must not be empty',
  ])
})

test('a FlowSchema names verbs, groups, resources and namespaces', () => {
  const rule = { subjects: [{ kind: 'Group', group: { name: 'devs' } }], resourceRules: [{}] }
  expect(faultsOf(flowSchemas, { spec: { priorityLevelConfiguration: { name: 'one' }, rules: [rule] } })).toEqual([
    'spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value',
    'spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group',
    'spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource',
    'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
  ])
})

test('an APIService has a version that names can have, and conditions that hold or not', () => {
  const local = {
    metadata: { name: '1a.x.example' },
    spec: { group: 'x.example', version: '1a', groupPriorityMinimum: 1, versionPriority: 1 },
  }
  expect(faultsOf(apiServices, local)).toEqual([expect.stringMatching(/^spec.version: Invalid value: "1a": a DNS-1035 label must consist/)])
  expect(statusFaults(apiServices, local, { conditions: [{ type: 'Available', status: 'Maybe' }] })).toEqual([
    'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
  ])
})

test('an APIService is local and there, or somebody’s', () => {
  const of = (spec: object): Record<string, unknown> => ({
    metadata: { name: 'v1.example.com' },
    spec: { group: 'example.com', version: 'v1', groupPriorityMinimum: 100, versionPriority: 15, ...spec },
  })
  expect(faultsOf(apiServices, of({}))).toEqual([])
  expect(created(apiServices, of({})).status?.conditions).toMatchObject([{ type: 'Available', status: 'True', reason: 'Local' }])
  const remote = created(apiServices, of({ service: { namespace: 'default', name: 'api' } }))
  expect([remote.status, remote.spec?.service?.port, apiServices.columns[1]?.value(remote, 0)]).toEqual([{}, 443, 'default/api'])
  expect(faultsOf(apiServices, of({ version: 'v2', versionPriority: 0 }))).toEqual([
    'metadata.name: Invalid value: "v1.example.com": must be `spec.version+"."+spec.group`: "v2.example.com"',
    'spec.versionPriority: Invalid value: 0: must be positive and less than 1000',
  ])
})

describe('devices', () => {
  const claim = (requests: object[], more: object = {}): Record<string, unknown> => ({ spec: { devices: { requests, ...more } } })
  test('are asked for one at a time unless the claim says otherwise', () => {
    const made = created(resourceClaims, claim([{ name: 'gpu', exactly: { deviceClassName: 'gpu', tolerations: [{ key: 'a' }] } }]))
    expect(made.spec.devices?.requests?.[0]?.exactly).toMatchObject({
      allocationMode: 'ExactCount',
      count: 1,
      tolerations: [{ operator: 'Equal' }],
    })
    expect(resourceClaims.columns[1]?.value(made, 0)).toBe('pending')
  })

  test.each<Case>([
    ['a sound claim', claim([{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }]), []],
    ['of no class', claim([{ name: 'gpu', exactly: {} }]), ['spec.devices.requests[0].exactly.deviceClassName: Required value']],
    [
      'of nothing',
      claim([{ name: 'gpu' }]),
      ['spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required'],
    ],
    [
      'of one name twice',
      claim([
        { name: 'a', exactly: { deviceClassName: 'x' } },
        { name: 'a', exactly: { deviceClassName: 'x' } },
      ]),
      ['spec.devices.requests[1]: Duplicate value: "a"'],
    ],
    [
      'bound to what it does not ask for',
      claim([{ name: 'a', exactly: { deviceClassName: 'x' } }], { constraints: [{ requests: ['b'] }] }),
      [expect.stringContaining('spec.devices.constraints[0].requests[0]: Invalid value: "b"')],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(resourceClaims, fields)).toEqual(faults)
  })

  test('lie in one place each', () => {
    const slice = (spec: object): string[] =>
      faultsOf(resourceSlices, { spec: { driver: 'a.example.com', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, ...spec } })
    expect(slice({ nodeName: 'n', devices: [{ name: 'gpu-0' }] })).toEqual([])
    expect(slice({})).toEqual([expect.stringMatching(/^spec: Required value: exactly one of `nodeName`/)])
    expect(slice({ allNodes: true, devices: [{ name: 'a' }, { name: 'a' }] })).toEqual(['spec.devices[1].name: Duplicate value: "a"'])
    expect(faultsOf(deviceClasses, { spec: { selectors: [{}] } })).toEqual(['spec.selectors[0].cel: Required value'])
    expect(faultsOf(deviceTaintRules, { spec: { taint: { key: 'a', effect: 'Sometimes' } } })).toEqual([
      'spec.taint.effect: Unsupported value: "Sometimes": supported values: "NoExecute", "NoSchedule", "None"',
    ])
  })
})

test('a StorageVersionMigration names a resource for good', () => {
  expect(faultsOf(storageVersionMigrations, { spec: {} })).toEqual(['spec.resource.resource: Required value'])
  expect(
    changeFaults(
      storageVersionMigrations,
      { spec: { resource: { group: '', resource: 'a' } } },
      { spec: { resource: { group: '', resource: 'b' } } },
    ),
  ).toEqual([expect.stringContaining('field is immutable')])
})
