import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { AdmissionPlugins } from '../apiserver/admission/admission.ts'
import { chosenPlugins, readAdmissionConfiguration } from '../apiserver/admission/admission-configuration.ts'
import type { ApiServerPolicies } from '../apiserver/apiserver.ts'
import { readAuditPolicy } from '../apiserver/audit/audit-policy.ts'
import { ConfigurationError, parsedConfiguration } from '../apiserver/configuration-object.ts'
import { readEncryptionConfiguration } from '../apiserver/encryption/encryption-configuration.ts'
import type { ServerPolicyFlags } from './config.ts'
import { ConfigError } from './config-file.ts'

/** kube-apiserver's own. */
const auditDefaults = { maxAgeDays: 366, maxBackups: 100, maxSizeMib: 100 }

/**
 * Reads the files that the flags name. Throws ConfigError, which says the flag, the file and the fields that are wrong; `warnings` has what
 * is odd and taken all the same.
 */
export async function readServerPolicies(flags: ServerPolicyFlags): Promise<{ policies: ApiServerPolicies; warnings: string[] }> {
  const warnings: string[] = []
  const audit = await auditOf(flags, warnings)
  const encryption = flags.encryptionProviderConfig
    ? await fromFile(
        '--encryption-provider-config',
        'loading encryption configuration',
        flags.encryptionProviderConfig,
        readEncryptionConfiguration,
      )
    : undefined
  const admissionPlugins = await admissionOf(flags)
  const { anonymousAuth, requestTimeoutSeconds, minRequestTimeoutSeconds } = flags
  return {
    policies: {
      admissionPlugins,
      ...(audit ? { audit } : {}),
      ...(encryption ? { encryption } : {}),
      ...(anonymousAuth === undefined ? {} : { anonymousAuth }),
      ...(requestTimeoutSeconds === undefined ? {} : { requestTimeoutSeconds }),
      ...(minRequestTimeoutSeconds === undefined ? {} : { minRequestTimeoutSeconds }),
    },
    warnings,
  }
}

async function auditOf(flags: ServerPolicyFlags, warnings: string[]): Promise<ApiServerPolicies['audit']> {
  const { auditPolicyFile, auditLogPath } = flags
  if (auditLogPath && !auditPolicyFile) warnings.push('--audit-log-path: there is no --audit-policy-file, so nothing is told of requests')
  if (!auditPolicyFile) return undefined
  const { policy, unknown } = await fromFile('--audit-policy-file', 'loading audit policy file', auditPolicyFile, readAuditPolicy)
  if (unknown.length > 0) warnings.push(`${auditPolicyFile}: not understood and left out: ${unknown.join(', ')}`)
  if (!auditLogPath) {
    warnings.push('--audit-policy-file: there is no --audit-log-path, so nothing is told of requests')
    return undefined
  }
  const limits = {
    maxAgeDays: flags.auditLogMaxAgeDays ?? auditDefaults.maxAgeDays,
    maxBackups: flags.auditLogMaxBackups ?? auditDefaults.maxBackups,
    // 0 means the usual, as with kube-apiserver.
    maxBytes: (flags.auditLogMaxSizeMib || auditDefaults.maxSizeMib) * 1024 * 1024,
  }
  return { policy, path: auditLogPath, limits }
}

async function admissionOf(flags: ServerPolicyFlags): Promise<AdmissionPlugins> {
  const { enableAdmissionPlugins: enable = [], disableAdmissionPlugins: disable = [], admissionControlConfigFile: file } = flags
  const from = (path: string): string => resolve(dirname(file ?? ''), path)
  const flag = '--admission-control-config-file'
  const parsedFile = async (path: string): Promise<unknown> =>
    (await fromFile(flag, 'failed to read plugin config', from(path), parsedConfiguration)).value
  const configurations = file
    ? await fromFile(flag, 'failed to read plugin config', file, (content) => readAdmissionConfiguration(content, parsedFile))
    : new Map<string, unknown>()
  try {
    return chosenPlugins({ enable, disable, configurations })
  } catch (error) {
    if (error instanceof ConfigurationError) throw new ConfigError(error.message)
    throw error
  }
}

async function fromFile<T>(flag: string, doing: string, path: string, read: (content: string) => Promise<T>): Promise<T> {
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`${flag}: ${path} can't be read (${(cause as NodeJS.ErrnoException).code})`)
  }
  try {
    return await read(content)
  } catch (error) {
    if (error instanceof ConfigurationError) throw new ConfigError(`${doing}: ${error.message}: from file ${path}`)
    throw error
  }
}
