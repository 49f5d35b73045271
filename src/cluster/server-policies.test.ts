import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readServerPolicies } from './server-policies.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-policies-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('audit', () => {
  const policy = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n'

  test('needs a policy and a place; what is left open is as with kube-apiserver', async () => {
    const auditPolicyFile = await file('policy.yaml', policy)
    const { policies, warnings } = await readServerPolicies({ auditPolicyFile, auditLogPath: '/var/log/a.log', auditLogMaxBackups: 3 })
    expect(warnings).toEqual([])
    expect(policies.audit).toMatchObject({ path: '/var/log/a.log', limits: { maxAgeDays: 366, maxBackups: 3, maxBytes: 100 << 20 } })
    expect((await readServerPolicies({ auditPolicyFile })).warnings[0]).toMatch(/there is no --audit-log-path/)
    expect((await readServerPolicies({ auditLogPath: '-' })).policies.audit).toBeUndefined()
    expect((await readServerPolicies({ auditPolicyFile: '', auditLogPath: '-' })).policies.audit).toBeUndefined()
    expect((await readServerPolicies({ anonymousAuth: false })).policies.anonymousAuth).toBe(false)
  })

  test('a wrong policy is refused by its fields, before anything starts', async () => {
    const auditPolicyFile = await file('policy.yaml', policy.replace('Metadata', 'All'))
    await expect(readServerPolicies({ auditPolicyFile, auditLogPath: '-' })).rejects.toThrow(
      `loading audit policy file: rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse": from file ${auditPolicyFile}`,
    )
    await expect(readServerPolicies({ auditPolicyFile: join(folder, 'none') })).rejects.toThrow(
      `--audit-policy-file: ${join(folder, 'none')} can't be read (ENOENT)`,
    )
  })
})

describe('admission', () => {
  test('names that are none are refused; configurations lie beside the file that names them', async () => {
    await expect(readServerPolicies({ enableAdmissionPlugins: ['Nope'] })).rejects.toThrow(
      'enable-admission-plugins plugin "Nope" is unknown',
    )
    await file('selectors.yaml', 'podNodeSelectorPluginConfig: {dev: env}\n')
    const admissionControlConfigFile = await file(
      'admission.yaml',
      'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: [{name: PodNodeSelector, path: selectors.yaml}]\n',
    )
    const enableAdmissionPlugins = ['PodNodeSelector']
    await expect(readServerPolicies({ enableAdmissionPlugins, admissionControlConfigFile })).rejects.toThrow(
      'failed to initialize admission plugin "PodNodeSelector": podNodeSelectorPluginConfig[dev]: invalid selector: env',
    )
    await file('selectors.yaml', 'podNodeSelectorPluginConfig: {dev: env=dev}\n')
    const { policies } = await readServerPolicies({ enableAdmissionPlugins, admissionControlConfigFile })
    expect(policies.admissionPlugins?.map(({ name }) => name)).toContain('PodNodeSelector')
  })
})
