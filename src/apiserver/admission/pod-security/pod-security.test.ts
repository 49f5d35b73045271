import { describe, expect, test } from 'vitest'
import { factsOf, refusalOf, requestOf } from '../testing/fake-facts.ts'
import { podSecurity } from './pod-security.ts'
import { detailText, violationsOf } from './policy.ts'

const strict = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [{ name: 'a', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
}
const podOf = (spec: object, annotations = {}) => ({ kind: 'Pod', metadata: { name: 'x', annotations }, spec: spec as never })
const one = (container: object) => ({ containers: [{ name: 'a', ...container }] })
const context = (securityContext: object) => one({ securityContext })

describe('baseline forbids', () => {
  test.each([
    [context({ privileged: true }), 'privileged (container "a" must not set securityContext.privileged=true)'],
    [{ hostNetwork: true, hostPID: true, containers: [] }, 'host namespaces (hostNetwork=true, hostPID=true)'],
    [{ containers: [], volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes (volume "v")'],
    [one({ ports: [{ hostPort: 80 }] }), 'hostPort (container "a" uses hostPort 80)'],
    [
      context({ capabilities: { add: ['NET_ADMIN', 'CHOWN'] } }),
      'non-default capabilities (container "a" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    ],
    [context({ procMount: 'Unmasked' }), 'procMount (container "a" must not set securityContext.procMount to "Unmasked")'],
    [{ ...context({ procMount: 'Unmasked' }), hostUsers: false }, ''],
    [
      context({ seLinuxOptions: { type: 'spc_t', user: 'u' } }),
      'seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
    ],
    [
      context({ seccompProfile: { type: 'Unconfined' } }),
      'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      { ...context({ appArmorProfile: { type: 'Unconfined' } }), securityContext: { appArmorProfile: { type: 'Unconfined' } } },
      'forbidden AppArmor profile (pod and container "a" must not set AppArmor profile type to "Unconfined")',
    ],
    [
      { containers: [], securityContext: { sysctls: [{ name: 'kernel.msgmax' }, { name: 'net.ipv4.tcp_rmem' }] } },
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      context({ windowsOptions: { hostProcess: true } }),
      'hostProcess (container "a" must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      one({ livenessProbe: { httpGet: { host: '10.0.0.1', port: 1 } } }),
      'probe or lifecycle host (container "a" uses probe or lifecycle host "10.0.0.1")',
    ],
    [strict, ''],
  ])('%j: %s', (spec, detail) => {
    expect(detailText(violationsOf(podOf(spec), { level: 'baseline', version: 'latest' }))).toBe(detail)
  })
})

describe('restricted forbids besides', () => {
  const [container] = strict.containers
  test.each([
    [strict, ''],
    [
      { containers: [{ name: 'a' }] },
      'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    [
      {
        ...strict,
        volumes: [
          { name: 'v', nfs: {} },
          { name: 'w', hostPath: {} },
          { name: 'x', emptyDir: {} },
        ],
      },
      'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
    ],
    [{ ...strict, securityContext: { ...strict.securityContext, runAsUser: 0 } }, 'runAsUser=0 (pod must not set runAsUser=0)'],
    [
      { ...strict, containers: [{ ...container, securityContext: { ...container?.securityContext, runAsNonRoot: false } }] },
      'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)',
    ],
    [{ ...strict, os: { name: 'windows' }, securityContext: { runAsNonRoot: true }, containers: [{ name: 'a' }] }, ''],
  ])('%j: %s', (spec, detail) => {
    expect(detailText(violationsOf(podOf(spec), { level: 'restricted', version: 'latest' }))).toBe(detail)
  })
})

test('a policy is that of its version', () => {
  const at = (version: number, pod: ReturnType<typeof podOf>) => detailText(violationsOf(pod, { level: 'restricted', version }))
  expect(at(7, podOf({ ...strict, ...context({}) }))).toBe('')
  expect(at(18, podOf({ ...strict, containers: [] }, { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' }))).toBe(
    'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
  )
})

describe('in a namespace', () => {
  const namespaceOf = (labels: Record<string, string>) => ({
    kind: 'Namespace',
    metadata: {
      name: 'default',
      labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value])),
    },
  })
  const inNamespace = (labels: Record<string, string>) => {
    const facts = factsOf()
    return { ...facts, get: (() => namespaceOf(labels)) as unknown as typeof facts.get }
  }
  const privileged = podOf(context({ privileged: true }))
  const detail = 'privileged (container "a" must not set securityContext.privileged=true)'

  test.each([
    [{}, undefined, []],
    [{ enforce: 'baseline' }, `pods "x" is forbidden: violates PodSecurity "baseline:latest": ${detail}`, []],
    [{ enforce: 'baseline', 'enforce-version': 'v1.30' }, `pods "x" is forbidden: violates PodSecurity "baseline:v1.30": ${detail}`, []],
    [{ warn: 'baseline' }, undefined, [`would violate PodSecurity "baseline:latest": ${detail}`]],
    [{ audit: 'baseline' }, undefined, []],
  ])('labelled %j', (labels, refusal, warnings) => {
    const request = requestOf(privileged)
    expect(refusalOf(() => podSecurity().validate?.(request, inNamespace(labels)))).toBe(refusal)
    expect([...request.warnings]).toEqual(warnings)
  })

  test('workloads are only warned of, also of what is enforced', () => {
    const request = requestOf({ kind: 'Deployment', metadata: { name: 'd' }, spec: { template: privileged } })
    podSecurity().validate?.(request, inNamespace({ enforce: 'baseline' }))
    expect([...request.warnings]).toEqual([`would violate PodSecurity "baseline:latest": ${detail}`])
  })

  test('labels that say nothing are refused; a new level tells which pods would not pass', () => {
    const wrong = requestOf(namespaceOf({ enforce: 'tight', 'warn-version': '1.2' }))
    expect(refusalOf(() => podSecurity().validate?.(wrong, factsOf()))).toBe(
      'Namespace "default" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "tight": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.2": must be "latest" or "v1.x"]',
    )
    const stricter = requestOf(namespaceOf({ enforce: 'baseline' }), namespaceOf({}))
    podSecurity().validate?.(stricter, factsOf(privileged, { ...privileged, metadata: { name: 'y' } }))
    expect([...stricter.warnings]).toEqual([
      'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
      'x (and 1 other pod): privileged',
    ])
  })
})
