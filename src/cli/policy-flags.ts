import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ServerPolicyFlags } from '../cluster/config.ts'

/** The API server's own flags, as commander gives them: kube-apiserver's names. */
export interface PolicyFlags {
  auditPolicyFile?: string
  auditLogPath?: string
  auditLogMaxage?: number
  auditLogMaxbackup?: number
  auditLogMaxsize?: number
  auditLogFormat?: string
  encryptionProviderConfig?: string
  anonymousAuth?: boolean
  enableAdmissionPlugins?: string[]
  disableAdmissionPlugins?: string[]
  admissionControlConfigFile?: string
  requestTimeout?: number
  minRequestTimeout?: number
}

export function policyOptions(command: Command, duration: (text: string) => number): Command {
  return command
    .addOption(new Option('--audit-policy-file <path>', "which requests the audit log tells of (audit.k8s.io/v1 Policy); '': none"))
    .addOption(new Option('--audit-log-path <path>', "where the audit log lies; -: the server's own log"))
    .addOption(new Option('--audit-log-maxage <days>', 'how long older files of it are kept (default: 366; 0: for ever)').argParser(whole))
    .addOption(new Option('--audit-log-maxbackup <number>', 'how many older files of it are kept (default: 100; 0: all)').argParser(whole))
    .addOption(new Option('--audit-log-maxsize <mebibytes>', 'how large a file of it grows (default: 100)').argParser(whole))
    .addOption(new Option('--audit-log-format <format>', 'how it is written').choices(['json']))
    .addOption(
      new Option('--anonymous-auth <bool>', 'requests that show no credentials are those of system:anonymous (default: true)').argParser(
        bool,
      ),
    )
    .addOption(
      new Option('--encryption-provider-config <path>', "which kinds are stored encrypted, and how (EncryptionConfiguration); '': none"),
    )
    .addOption(new Option('--enable-admission-plugins <names>', 'admission plug-ins beside the usual ones').argParser(names))
    .addOption(new Option('--disable-admission-plugins <names>', 'usual admission plug-ins to do without').argParser(names))
    .addOption(
      new Option('--admission-control-config-file <path>', "what admission plug-ins are told (AdmissionConfiguration); '': nothing"),
    )
    .addOption(new Option('--request-timeout <duration>', 'what a request has at most (default: 1m0s)').argParser(duration))
    .addOption(
      new Option(
        '--min-request-timeout <seconds>',
        'what a watch has that asks for no time, up to twice as much (default: 1800)',
      ).argParser(positive),
    )
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
}

function bool(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('It must be true or false.')
  return text === 'true'
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, and not negative.')
  return Number(text)
}

function positive(text: string): number {
  const value = whole(text)
  if (value === 0) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

/** Undefined: none of them was given; what an earlier boot was given stays. */
export function policiesOf(flags: PolicyFlags): ServerPolicyFlags | undefined {
  const file = (path: string | undefined): string | undefined => (path ? resolve(path) : path)
  const given = Object.entries({
    auditPolicyFile: file(flags.auditPolicyFile),
    auditLogPath: flags.auditLogPath === '-' ? '-' : file(flags.auditLogPath),
    auditLogMaxAgeDays: flags.auditLogMaxage,
    auditLogMaxBackups: flags.auditLogMaxbackup,
    auditLogMaxSizeMib: flags.auditLogMaxsize,
    encryptionProviderConfig: file(flags.encryptionProviderConfig),
    anonymousAuth: flags.anonymousAuth,
    enableAdmissionPlugins: flags.enableAdmissionPlugins,
    disableAdmissionPlugins: flags.disableAdmissionPlugins,
    admissionControlConfigFile: file(flags.admissionControlConfigFile),
    requestTimeoutSeconds: flags.requestTimeout,
    minRequestTimeoutSeconds: flags.minRequestTimeout,
  } satisfies { [Flag in keyof ServerPolicyFlags]: unknown }).filter(([, value]) => value !== undefined)
  return given.length > 0 ? Object.fromEntries(given) : undefined
}
